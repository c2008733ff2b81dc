"""What a question about the past is answered with: lines of facts, each citing the events that it stands on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.base import PersonalField
from infrastructure.past.moments import Connection
from infrastructure.store.keyring import Keyring
from infrastructure.store.mapper import EventMapper

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
class Told:
    """An event as it stands in the ledger, decoded: personal values are still sealed."""

    position: int
    at: datetime
    topic: str
    stream_id: UUID
    version: int
    event: Any


@dataclass(frozen=True, slots=True)
class Past:
    """One account's events and what opens them. Nobody who is erased is ever opened."""

    connection: Connection
    mapper: EventMapper
    keyring: Keyring
    account_id: str

    def events(self, streams: Iterable[UUID], until: int, topics: Sequence[str] | None = None) -> Iterator[Told]:
        """The events of some streams up to a position, in the ledger's order."""
        given = {"streams": sorted(set(streams)), "until": until, "topics": None if topics is None else list(topics), "account": self.account_id}
        return self._told(_OF_STREAMS, given)

    def at(self, positions: Iterable[int]) -> Iterator[Told]:
        """The account's own events among these positions."""
        return self._told(_AT, {"positions": sorted(set(positions)), "account": self.account_id})

    def opened(self, sealed: PersonalField, told: Told) -> str | None:
        """A personal value of an event, or None where the person is erased or there is none."""
        return self.keyring.open(sealed, f"{told.stream_id}:{told.version}")  # type: ignore[arg-type]  # sealed when read

    def names(self, member_ids: Iterable[str | None]) -> dict[str, str]:
        """Names of those members who have one still."""
        wanted = sorted({member_id for member_id in member_ids if member_id})
        rows = self.connection.execute(_NAMES, (self.account_id, wanted)).fetchall()
        return {member_id: name for member_id, name in rows if name}

    def _told(self, query: str, given: dict[str, Any]) -> Iterator[Told]:
        for position, at, topic, stream_id, version, state in self.connection.execute(query.encode(), given).fetchall():
            yield Told(position, at, topic, stream_id, version, self.mapper.decode(stream_id, version, topic, bytes(state)))


_NAMES = "SELECT member_id::text, name FROM views.members WHERE account_id = %s AND member_id = ANY(%s::uuid[])"

_OF_STREAMS = """
SELECT p.position, p.at, e.topic, e.originator_id, e.originator_version, e.state FROM unnest(%(streams)s::uuid[]) AS s (id)
JOIN events e ON e.originator_id = s.id AND (%(topics)s::text[] IS NULL OR e.topic = ANY(%(topics)s::text[]))
JOIN positions p ON p.originator_id = e.originator_id AND p.originator_version = e.originator_version
WHERE p.position <= %(until)s AND p.account_id = %(account)s ORDER BY p.position"""

_AT = """
SELECT p.position, p.at, e.topic, e.originator_id, e.originator_version, e.state FROM positions p
JOIN events e ON e.originator_id = p.originator_id AND e.originator_version = p.originator_version
WHERE p.position = ANY(%(positions)s::bigint[]) AND p.account_id = %(account)s ORDER BY p.position"""


def seconds_between(earlier: datetime, later: datetime) -> float:
    """How long, in seconds to the millisecond."""
    return round((later - earlier).total_seconds(), 3)


def counted(number: int, thing: str, things: str | None = None) -> str:
    """`1 session`, `2 sessions`."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"
