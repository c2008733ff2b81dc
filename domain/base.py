"""What every event and aggregate has in common: who acted, from where, and the salt that keeps leaf hashes unguessable."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields
from functools import cache
from inspect import signature
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self, TypeVar

from eventsourcing.domain import Aggregate, register_topic, resolve_topic  # type: ignore[attr-defined]  # imported there, not declared

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

Source = Literal["oauth", "ui", "api", "cli", "mcp", "system"]

TClass = TypeVar("TClass", bound=type)


class Personal(NamedTuple):
    """A personal value on its way into an event; the mapper seals it under the subject's key before anything is stored.

    `subject` is a member id, or `account:<account id>` for people without a member (sealed under the account's key of the day).
    """

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A personal value as it stands in a stored event (EVIDENCE.md 3): subject, key id, nonce, ciphertext and key commitment, base64."""

    sub: str
    kid: str
    n: str
    ct: str
    kc: str


PersonalField = Personal | Sealed | None


class Context(NamedTuple):
    """Who acts, through what, from where and when: everything about a request that its events record.

    `new_salt` returns 16 random bytes as 32 hex digits; time and randomness are always passed in.
    """

    account_id: str
    now: datetime
    source: Source
    new_salt: Callable[[], str]
    actor_id: str | None = None
    client_stream: str | None = None
    address: PersonalField = None
    user_agent: PersonalField = None

    def stamp(self) -> dict[str, Any]:
        """The keyword arguments that every event takes from its context."""
        return {
            "timestamp": self.now,
            "account_id": self.account_id,
            "actor_id": self.actor_id,
            "client_stream": self.client_stream,
            "source": self.source,
            "address": self.address,
            "user_agent": self.user_agent,
            "salt": self.new_salt(),
        }

    def words(self, text: str | None, about: str | None = None) -> Personal | None:
        """What the acting person typed, such as a reason: personal, so sealed under the member whom it is about, or else like the address."""
        return Personal(about or self.actor_id or f"account:{self.account_id}", text) if text else None


class RecordedEvent(Aggregate.Event):
    """An event with its context; subclasses set `TOPIC` and, where they change state, `apply`."""

    TOPIC: ClassVar[str]

    _: KW_ONLY
    account_id: str
    actor_id: str | None = None
    client_stream: str | None = None
    source: Source = "system"
    address: PersonalField = None
    user_agent: PersonalField = None
    salt: str = ""

    def mutate(self, aggregate: Any) -> Any:
        """As the library's; where the event follows on the aggregate's state, without a call for each attribute."""
        state = {} if aggregate is None else vars(aggregate)
        if not state or self.originator_version != state["_version"] + 1 or self.originator_id != state["_id"]:
            return super().mutate(aggregate)
        self.apply(aggregate)
        state["_version"], state["_modified_on"] = self.originator_version, self.timestamp
        return aggregate


class RecordedCreated(RecordedEvent, Aggregate.Created):
    """The first event of a stream."""

    def mutate(self, aggregate: Any) -> Any:
        """The new aggregate, as the library makes it, but with the names of its facts looked up once per class."""
        assert aggregate is None
        cls = resolve_topic(self.originator_topic)
        begun: Any = object.__new__(cls)
        begun.__base_init__(self.originator_id, self.originator_version, self.timestamp)
        values, facts = vars(self), _facts(cls)
        if not values.keys() >= facts:  # some may have been added to the class since
            facts = facts.intersection(values)
        begun.__init__(**dict(zip(facts, map(values.__getitem__, facts), strict=True)))
        self.apply(begun)
        begun.account_id = self.account_id
        return begun


class RecordedAnyTime(RecordedEvent):
    """An event that may begin its stream or continue it; `STREAM` is the aggregate's topic, whose `__init__` takes nothing."""

    STREAM: ClassVar[str]

    def mutate(self, aggregate: Any) -> Any:
        if aggregate is None:
            cls = resolve_topic(self.STREAM)
            aggregate = object.__new__(cls)
            aggregate.__base_init__(self.originator_id, 0, self.timestamp)
            aggregate.__init__()
            aggregate.account_id = self.account_id
        return super().mutate(aggregate)


class Stream(Aggregate):
    """An aggregate whose events carry a context. State is replaced, never mutated in place, so a shallow copy is a safe copy.

    `account_id` is the account that its first event names.
    """

    account_id: str

    if not TYPE_CHECKING:  # the same as the library has, read without a frame of Python
        version = Aggregate.version.getter(attrgetter("_version"))
        pending_events = Aggregate.pending_events.getter(attrgetter("_pending_events"))

    def record(self, event_class: type[Any], context: Context, **facts: Any) -> None:
        """Trigger one event of `event_class` with the context's stamp and the given facts.

        What the library's `trigger_event` does, less its checks of the class at each call (tests hold that every event has its topic) and less
        those of the event: one made here follows on this state.
        """
        state = vars(self)
        version = state["_version"] + 1
        event = _event(event_class, {"originator_id": state["_id"], "originator_version": version, **context.stamp(), **facts})
        event.apply(self)
        state["_version"], state["_modified_on"] = version, context.now
        state["_pending_events"].append(event)

    @classmethod
    def begin(cls, event_class: type[Any], stream_id: Any, context: Context, **facts: Any) -> Self:
        """Create the stream with its first event."""
        return cls._create(event_class, id=stream_id, **context.stamp(), **facts)

    @classmethod
    def blank(cls, stream_id: Any, context: Context) -> Self:
        """The stream before its first event, for aggregates that begin with a `RecordedAnyTime`."""
        new = object.__new__(cls)
        new.__base_init__(stream_id, 0, context.now)
        new.__init__()  # type: ignore[misc]  # the shell of the right type, as the event's mutate makes it
        new.account_id = context.account_id
        return new

    def copy(self) -> Self:
        """A copy without pending events that may be folded forward while this one is being read."""
        new = object.__new__(type(self))
        state = self.__dict__.copy()
        state["_pending_events"] = []
        new.__dict__ = state
        return new


def _event(event_class: type[Any], values: dict[str, Any]) -> Any:
    """The event of these values. A frozen class's own `__init__` sets them one by one; it is needed only where one is missing or wrong."""
    if values.keys() != _names(event_class):  # type: ignore[arg-type]  # a class is hashable
        return event_class(**values)
    event = object.__new__(event_class)
    object.__setattr__(event, "__dict__", values)
    return event


@cache
def _facts(aggregate_class: type[Any]) -> frozenset[str]:
    """What an aggregate is begun with."""
    return frozenset(signature(aggregate_class.__init__).parameters) - {"self"}


@cache
def _names(event_class: type[Any]) -> frozenset[str]:
    return frozenset(field.name for field in fields(event_class))


def topic(name: str) -> Callable[[TClass], TClass]:
    """Class decorator: give an event or aggregate its stable topic and register it."""

    def decorate(cls: TClass) -> TClass:
        cls.TOPIC = name  # type: ignore[attr-defined]  # an attribute that the library reads from the class
        register_topic(name, cls)
        return cls

    return decorate
