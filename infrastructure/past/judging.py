"""Since which event each condition of the permission function holds or fails: for sessions of several people and apps, in one pass over events."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.access import Standing
from domain.explaining import conditions
from infrastructure.past.answers import Past
from infrastructure.past.moments import Moment
from infrastructure.past.states import Folded
from infrastructure.store.reader import PositionedEvent

_SESSIONS = """
SELECT w.number - 1, s.grant_id, s.consent_id FROM unnest(%s::uuid[], %s::uuid[]) WITH ORDINALITY AS w (member_id, client_stream, number)
CROSS JOIN LATERAL (
    SELECT grant_id, consent_id, created_position FROM views.sessions
    WHERE account_id = %s AND member_id = w.member_id AND client_stream = w.client_stream AND created_position <= %s
    ORDER BY created_position DESC LIMIT 20) AS s
ORDER BY w.number, s.created_position DESC"""
_PLACES = """
SELECT p.originator_id, p.position, e.originator_version IS NULL FROM positions p
LEFT JOIN events e ON e.originator_id = p.originator_id AND e.originator_version = p.originator_version
    AND starts_with(e.topic, 'grant.') AND e.topic <> 'grant.tokens_refreshed'
WHERE p.originator_id = ANY(%s) AND p.position <= %s AND p.account_id = %s ORDER BY p.position"""


class TooMuch(Exception):
    """More would have to be judged than was allowed: `steps`, one for each session and each later event that it stands on."""

    def __init__(self, steps: int) -> None:
        super().__init__(steps)
        self.steps = steps


@dataclass(frozen=True, slots=True)
class Wanted:
    """A scope, in a project or anywhere, that a person may use through an app; by any session, or by one of `grants`."""

    member_id: str
    client_stream: str
    scope: str
    project_id: str | None
    grants: frozenset[str] | None = None


@dataclass(slots=True)
class Condition:
    """Whether it holds, since which event, and when that was; `position` None where time changed it."""

    holds: bool
    position: int | None
    at: datetime


@dataclass(slots=True)
class Session:
    """A session, and each condition of what is wanted of it; none before it began."""

    wanted: Wanted
    grant_id: UUID
    consent_id: UUID
    found: dict[str, Condition] = field(default_factory=dict)
    standing: Standing | None = None

    @property
    def failing(self) -> dict[str, Condition]:
        return {name: condition for name, condition in self.found.items() if not condition.holds}

    def others(self, account_id: str) -> tuple[UUID, ...]:
        """The streams that it is judged on, less its own."""
        return UUID(account_id), UUID(self.wanted.client_stream), UUID(self.wanted.member_id), self.consent_id

    def note(self, streams: Folded, position: int | None, at: datetime) -> None:
        """Take what holds after an event, or at a moment without one. Events change streams where they are, so the session is looked up once."""
        if self.standing is None:
            self.standing = streams.standing(self.grant_id)
        if self.standing is None:
            return
        now = conditions(self.standing, self.wanted.scope, self.wanted.project_id, at)
        for name in [name for name in self.found if name not in now]:
            del self.found[name]
        for name, holds in now.items():
            if name not in self.found or self.found[name].holds != holds:
                self.found[name] = Condition(holds, position, at)


def judged(past: Past, wanted: Sequence[Wanted], moment: Moment, since: int = 0, most: int | None = None) -> list[list[Session]]:
    """For each of what is wanted its sessions, the one that came closest first. What changed up to position `since` cites some event up to there.
    `TooMuch` where that takes more than `most` steps."""
    found = _sessions(past, wanted, moment.position)
    sessions = [session for some in found for session in some]
    if sessions:
        _judge(past, sessions, moment, since, most)
    return [sorted(some, key=lambda session: len(session.failing)) for some in found]


def _sessions(past: Past, wanted: Sequence[Wanted], until: int) -> list[list[Session]]:
    found: list[list[Session]] = [[] for _ in wanted]
    given = ([one.member_id for one in wanted], [one.client_stream for one in wanted], past.account_id, until)
    for number, grant_id, consent_id in past.connection.execute(_SESSIONS, given) if wanted else ():
        one = wanted[number]
        if one.grants is None or str(grant_id) in one.grants:
            found[number].append(Session(one, grant_id, consent_id))
    return found


def _judge(past: Past, sessions: Sequence[Session], moment: Moment, since: int, most: int | None) -> None:
    """Note the conditions after the last event up to `since`, after each one later, and at the moment, which time alone may have changed."""
    watching: dict[UUID, list[Session]] = {}
    for session in sessions:
        for stream_id in (session.grant_id, *session.others(past.account_id)):
            watching.setdefault(stream_id, []).append(session)
    told = _telling(past, sessions, moment.position, since)
    cut, streams, last = bisect_right(told, since, key=lambda one: one.position), Folded(), dict[UUID, PositionedEvent]()
    for one in told[:cut]:
        streams.fold(one.event)
        last[one.stream_id] = one
    steps = sum(len(watching[one.stream_id]) for one in told[cut:])
    if most is not None and steps > most:
        raise TooMuch(steps)
    for session in sessions:
        before = [last[stream_id] for stream_id in (session.grant_id, *session.others(past.account_id)) if stream_id in last]
        if before:
            newest = max(before, key=lambda one: one.position)
            session.note(streams, newest.position, newest.at)
    for one in told[cut:]:
        streams.fold(one.event)
        for session in watching[one.stream_id]:
            session.note(streams, one.position, one.at)
    for session in sessions:
        session.note(streams, None, moment.at)


def _telling(past: Past, sessions: Sequence[Session], until: int, since: int) -> list[PositionedEvent]:
    """The events that the sessions stand on, less rotations that change nothing."""
    others = past.events({stream_id for session in sessions for stream_id in session.others(past.account_id)}, until)
    places: dict[UUID, list[int]] = {}
    for one in others[bisect_right(others, since, key=lambda one: one.position) :]:
        places.setdefault(one.stream_id, []).append(one.position)
    marks = {
        session.grant_id: [place for stream_id in session.others(past.account_id) for place in places.get(stream_id, ())] for session in sessions
    }
    own = past.at(_own(past, {grant_id: [since + 1, *some, until + 1] for grant_id, some in marks.items()}, until))
    return sorted((*others, *own), key=lambda one: one.position)


def _own(past: Past, marks: Mapping[UUID, list[int]], until: int) -> Iterator[int]:
    """Positions of the grants' events, but of the rotations between two marks (events of others, places) only the first and the last: those between
    change nothing."""
    rotations: dict[UUID, list[int]] = {grant_id: [] for grant_id in marks}
    events: dict[UUID, list[int]] = {grant_id: [] for grant_id in marks}
    for grant_id, position, rotated in past.connection.execute(_PLACES, (list(marks), until, past.account_id)):
        (rotations if rotated else events)[grant_id].append(position)
    for grant_id, others in marks.items():
        yield from events[grant_id]
        for mark in (*others, *events[grant_id]) if rotations[grant_id] else ():
            after = bisect_left(rotations[grant_id], mark)
            yield from rotations[grant_id][max(after - 1, 0) : after + 1]
