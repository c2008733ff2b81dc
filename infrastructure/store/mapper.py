"""Events to stored bytes and back: msgspec JSON, `timestamp` first, times as UTC microseconds, personal values sealed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

import msgspec
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder

from domain.base import Personal, RecordedEvent
from domain.ids import as_text
from infrastructure.store.errors import UnknownTopic, UnreadableEvent
from infrastructure.store.facts import Facts, facts_of, micros, moment
from infrastructure.store.keyring import Keyring
from infrastructure.store.registry import topics
from infrastructure.store.sealing import EventKey, erased


class MsgspecTranscoder(Transcoder):
    """Plain JSON, for the library's own tools."""

    def encode(self, obj: Any) -> bytes:
        return msgspec.json.encode(obj)

    def decode(self, data: bytes) -> Any:
        return msgspec.json.decode(data)


class EventMapper(Mapper[UUID]):
    """The library's mapper with one typed decoder per topic. Stored bytes are hashed for ever: what `encode` writes may never change."""

    def __init__(self, keyring: Keyring) -> None:
        super().__init__(MsgspecTranscoder())
        self._keyring = keyring
        self._by_topic = {name: facts_of(topic.event_class) for name, topic in topics().items()}
        self._by_class: dict[type, Facts] = {facts.event_class: facts for facts in self._by_topic.values()}
        self._write: Callable[[Any], bytes] = msgspec.json.Encoder().encode

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        topic, state = self.encode(domain_event)
        return StoredEvent(domain_event.originator_id, domain_event.originator_version, topic, state)

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        return self.decode(cast("UUID", stored_event.originator_id), stored_event.originator_version, stored_event.topic, stored_event.state)

    def encode(self, event: RecordedEvent) -> tuple[str, bytes]:
        """Topic and state of an event; seals its personal values (anew at each call)."""
        facts = self._by_class[type(event)]
        values = vars(event)
        if facts.class_version > 1:
            values = {**values, "class_version": facts.class_version}
        state: dict[str, Any] = dict(zip(facts.written, facts.values(values)))  # noqa: B905  # of one length by their making
        state["timestamp"] = micros(event.timestamp)
        for name in facts.times:
            if state[name] is not None:
                state[name] = micros(state[name])
        self._seal(event, facts, state)
        return facts.topic, self._write(state)

    def decode(self, originator_id: UUID, originator_version: int, topic: str, state: bytes) -> Any:
        """The event; `UnknownTopic` if this release can't know what it means, `UnreadableEvent` if its bytes don't fit its class."""
        facts = self._by_topic.get(topic)
        if facts is None:
            raise UnknownTopic(f"Event {originator_id}:{originator_version} has the unknown topic {topic!r}: a newer release wrote it.")
        try:
            values = facts.decode(state) if facts.class_version == 1 else self._upcast(facts, state)
        except msgspec.MsgspecError as error:
            raise UnreadableEvent(f"Event {originator_id}:{originator_version} ({topic}) can't be read: {error}.") from error
        if values.pop("class_version", 1) > facts.class_version:
            raise UnknownTopic(f"Event {originator_id}:{originator_version} ({topic}) has a class version that a newer release wrote.")
        values["timestamp"] = moment(values["timestamp"])
        for name in facts.times:
            if values[name] is not None:
                values[name] = moment(values[name])
        values["originator_id"] = originator_id
        values["originator_version"] = originator_version
        event = object.__new__(facts.event_class)
        object.__setattr__(event, "__dict__", values)
        return event

    def _upcast(self, facts: Facts, state: bytes) -> dict[str, Any]:
        """Bring a decoded copy to the class's version by its `upcast_vN_vN+1` hooks; the stored bytes stay as they are."""
        values: dict[str, Any] = msgspec.json.decode(state)
        version = values.get("class_version", 1)
        while version < facts.class_version:
            getattr(facts.event_class, f"upcast_v{version}_v{version + 1}")(values)
            version += 1
        values["class_version"] = version
        return facts.convert(values)

    def _seal(self, event: RecordedEvent, facts: Facts, state: dict[str, Any]) -> None:
        """Replace every personal value; the values of one subject share the event's key."""
        key: EventKey | None = None
        last: str | None = None
        for name in facts.personal:
            value = state[name]
            if not isinstance(value, Personal):
                continue
            subject, text = value
            if subject != last:
                key = self._keyring.event_key(subject, f"{as_text(event.originator_id)}:{event.originator_version}", event.timestamp)
                last = subject
            state[name] = erased(subject) if key is None else key.blob(text)
