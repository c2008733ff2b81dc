"""Events as projections read them: decoded facts at a position, and what can go wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from eventsourcing.utils import resolve_topic

from domain.base import Sealed
from projections.literals import uuid_or_none


@dataclass(slots=True)
class Event:
    """One event at its place in the order. `at` is the ledger's time as PostgreSQL prints it, in UTC; times in `facts` are microseconds."""

    position: int
    at: str
    account_id: str
    stream_id: str
    version: int
    topic: str
    facts: dict[str, Any]

    @property
    def time(self) -> int:
        """When it happened by its own clock, in microseconds since 1970 UTC."""
        return self.facts["timestamp"]  # type: ignore[no-any-return]  # the mapper writes an integer

    @property
    def actor_id(self) -> str | None:
        return self.facts.get("actor_id")

    @property
    def event_id(self) -> str:
        """The id under which its personal fields are sealed."""
        return f"{self.stream_id}:{self.version}"


class PoisonEvent(Exception):
    """An event that a projection can't take: only that projection stops, before it."""

    def __init__(self, event: Event, cause: BaseException) -> None:
        super().__init__(f"event {event.position} ({event.topic}): {said(cause)}")
        self.event = event


def said(error: BaseException) -> str:
    """An error's kind and the first line of what it says."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"


class KeysUnavailable(Exception):
    """The keyring can't answer now; nothing is wrong with the event."""


class Reason(NamedTuple):
    """Why somebody did something, in their words. `of`: the member under whom they are sealed, with whose erasure they go."""

    text: str | None
    of: str | None


NO_REASON = Reason(None, None)


class PersonalReader:
    """Opens sealed values, and never again those of a member whose erasure was seen; nor ever those of `erased_before`."""

    def __init__(
        self,
        open_sealed: Callable[[Sealed, str], str | None],
        prefetch: Callable[[Iterable[str]], None] | None = None,
        erased_before: Iterable[str] = (),
    ) -> None:
        self._open = open_sealed
        self._prefetch = prefetch
        self.erased_before = frozenset(erased_before)
        self._erased: set[str] = set(self.erased_before)

    def read(self, sealed: dict[str, str] | None, event_id: str) -> str | None:
        """The value, or None if there is none or its keys are gone."""
        if sealed is None or sealed["sub"] in self._erased:
            return None
        blob = Sealed(sealed["sub"], sealed["kid"], sealed["n"], sealed["ct"], sealed["kc"])
        try:
            return self._open(blob, event_id)
        except Exception as error:
            raise KeysUnavailable(f"personal values can't be opened: {type(error).__name__}") from error

    def reason(self, event: Event) -> Reason:
        """The reason that a person gave for what the event records; `NO_REASON` if there is none, or it can't be read any more."""
        sealed = event.facts.get("reason")
        text = self.read(sealed, event.event_id)
        return NO_REASON if sealed is None or text is None else Reason(text, uuid_or_none(sealed["sub"]))

    def prepare(self, events: Iterable[Event]) -> None:
        """Fetch the keys of these events' addresses and reasons at once."""
        self._fetch(_keys_of(events))

    def prepared(self, events: Iterator[Event]) -> Iterator[Event]:
        """The same events, a few at a time, after their keys: what is decoded only now stays in the processor's cache until it is folded."""
        known: set[str] = set()
        while some := few(events):
            if new := _keys_of(some) - known:
                self._fetch(new)
                known |= new
            yield from some

    def _fetch(self, kids: set[str]) -> None:
        if self._prefetch is not None:
            try:
                self._prefetch(kids)
            except Exception as error:
                raise KeysUnavailable(f"data keys can't be read: {type(error).__name__}") from error

    def again(self, erased_before: Iterable[str]) -> PersonalReader:
        """A reader of the same keys that never opens those members."""
        return PersonalReader(self._open, self._prefetch, erased_before)

    def is_erased(self, subject: str | None) -> bool:
        """Whether this member's erasure was seen."""
        return subject in self._erased

    def forget(self, subject: str) -> None:
        """From now on this subject's values read as erased, whatever a cache still holds."""
        self._erased.add(subject)


def _keys_of(events: Iterable[Event]) -> set[str]:
    found = (event.facts.get(name) for event in events for name in ("address", "reason"))
    return {kid for sealed in found if isinstance(sealed, dict) and isinstance(kid := sealed.get("kid"), str)}


def few(events: Iterator[Event]) -> list[Event]:
    """The next of these events; none at the end."""
    return list(islice(events, 100))


_decode_json = msgspec.json.Decoder().decode


def decode(row: tuple[Any, ...]) -> Event:
    """An event from a row of the feed; older class versions are brought up to date as the event class says."""
    position, at, account_id, stream_id, version, topic, state = row
    try:
        facts = _decode_json(state)
        stored = facts.pop("class_version", 1)
        wanted = _class_versions.get(topic) or _class_version(topic)
        while stored < wanted:
            getattr(resolve_topic(topic), f"upcast_v{stored}_v{stored + 1}")(facts)
            stored += 1
    except Exception as error:  # noqa: BLE001  # told to each projection that wants the event
        facts = {UNREADABLE: said(error)}
    return Event(position, at, account_id, stream_id, version, topic, facts)


UNREADABLE = "_unreadable"
"""The fact that stands for all others where the stored bytes can't be decoded: each projection that wants the event stops there."""

_class_versions: dict[str, int] = {}


def _class_version(topic: str) -> int:
    version = _class_versions[topic] = getattr(resolve_topic(topic), "class_version", 1)
    return version


def handle(events: Iterable[Event], handlers: Mapping[str, Callable[[Event], None]]) -> None:
    """Give each event to the handler of its topic; `PoisonEvent` names the one that failed."""
    for event in events:
        handler = handlers.get(event.topic)
        if handler is None:
            continue
        try:
            if UNREADABLE in event.facts:
                raise ValueError(event.facts[UNREADABLE])
            handler(event)
        except KeysUnavailable:
            raise
        except Exception as error:
            raise PoisonEvent(event, error) from error
