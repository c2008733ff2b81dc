"""What a question about the past is answered with: lines of facts, each citing the events that it stands on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.base import PersonalField
from infrastructure.past.moments import Connection
from infrastructure.store.keyring import Keyring
from infrastructure.store.mapper import EventMapper
from infrastructure.store.reader import PositionedEvent, events_at, events_of

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """Facts by name, and what they stand on: positions of events by what each of them shows."""

    facts: Facts
    because: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """To a question, as of a position and its time. `says` is the whole answer in one sentence, where it is no or nothing too."""

    question: str
    position: int
    at: datetime
    says: str
    lines: tuple[Line, ...]

    @property
    def cited(self) -> tuple[int, ...]:
        """Every position that a line stands on, in order."""
        return tuple(sorted({position for line in self.lines for positions in line.because.values() for position in positions}))


@dataclass(frozen=True, slots=True)
class Past:
    """One account's events and what opens them. Nobody who is erased is ever opened."""

    connection: Connection
    mapper: EventMapper
    keyring: Keyring
    account_id: str

    def events(self, streams: Iterable[UUID], until: int, topics: Collection[str] | None = None) -> list[PositionedEvent]:
        """The events of some streams up to a position, in the ledger's order."""
        return events_of(self.connection, self.mapper, self.account_id, streams, until, topics)

    def at(self, positions: Iterable[int]) -> list[PositionedEvent]:
        """The account's own events among these positions."""
        return events_at(self.connection, self.mapper, self.account_id, positions)

    def opened(self, sealed: PersonalField, told: PositionedEvent) -> str | None:
        """A personal value of an event, or None where the person is erased or there is none."""
        return self.keyring.open(sealed, told.event_id)  # type: ignore[arg-type]  # sealed when read

    def names(self, member_ids: Iterable[str | None]) -> dict[str, str]:
        """Names of those members who have one still."""
        wanted = sorted({member_id for member_id in member_ids if member_id})
        rows = self.connection.execute(_NAMES, (self.account_id, wanted)).fetchall()
        return {member_id: name for member_id, name in rows if name}


_NAMES = "SELECT member_id::text, name FROM views.members WHERE account_id = %s AND member_id = ANY(%s::uuid[])"


def seconds_between(earlier: datetime, later: datetime) -> float:
    """How long, in seconds to the millisecond."""
    return round((later - earlier).total_seconds(), 3)


def counted(number: int, thing: str, things: str | None = None) -> str:
    """`1 session`, `2 sessions`."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"
