"""Streams as they were: folded from their events up to a position, by the events' own rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar
from uuid import UUID

from domain.access import Standing
from domain.account import Account
from domain.base import Stream
from domain.client import Client
from domain.consent import Consent
from domain.grant import Grant
from domain.member import Member
from infrastructure.past.moments import Connection
from infrastructure.store.mapper import EventMapper

TStream = TypeVar("TStream", bound=Stream)

# LATERAL and OFFSET 0: looked up stream by stream, whatever the planner guesses about how many there are.
_STREAMS = """
SELECT s.id, e.originator_version, e.topic, e.state, p.position FROM unnest(%(streams)s::uuid[]) AS s (id)
CROSS JOIN LATERAL (SELECT originator_version, topic, state FROM events WHERE originator_id = s.id OFFSET 0) AS e
CROSS JOIN LATERAL (
    SELECT position FROM positions WHERE originator_id = s.id AND originator_version = e.originator_version OFFSET 0) AS p
WHERE p.position <= %(position)s ORDER BY 1, 2"""
# A grant may have thousands of rotations. Each changes nothing that outlives the next one, so the last is enough; which one that was at a position
# is found by halving, the newest version first. The others are read by an index that holds no rotations (`events_of_grants`).
HEADS = """halves (id, until, low, middle, high) AS (
    SELECT s.id, s.until, 0::bigint, v.newest, v.newest FROM marks AS s CROSS JOIN LATERAL (
        SELECT originator_version AS newest FROM positions WHERE originator_id = s.id ORDER BY originator_version DESC LIMIT 1) AS v
    UNION ALL
    SELECT id, until, low, (low + high + 1) / 2, high FROM (
        SELECT id, until, CASE WHEN happened THEN middle ELSE low END AS low, CASE WHEN happened THEN high ELSE middle - 1 END AS high FROM (
            SELECT *, (SELECT position <= until FROM positions WHERE originator_id = id AND originator_version = middle) AS happened
            FROM halves WHERE low < high OFFSET 0) AS tried) AS halved
), heads AS (SELECT id, until, low AS version FROM halves WHERE low = high AND low > 0)"""
"""The version of each grant of `marks` (id, until) at that position; for a statement WITH RECURSIVE."""
_GRANTS = f"""
WITH RECURSIVE marks (id, until) AS (SELECT * FROM unnest(%(grants)s::uuid[], %(positions)s::bigint[])), {HEADS}
SELECT f.id, f.originator_version, f.topic, f.state, p.position FROM (
    SELECT h.id, e.* FROM heads h CROSS JOIN LATERAL (
        SELECT originator_version, topic, state FROM events WHERE originator_id = h.id AND originator_version <= h.version
        AND starts_with(topic, 'grant.') AND topic <> 'grant.tokens_refreshed' OFFSET 0) AS e
    UNION ALL
    SELECT h.id, e.* FROM heads h CROSS JOIN LATERAL (
        SELECT originator_version, topic, state FROM events WHERE originator_id = h.id AND originator_version <= h.version
        AND topic = 'grant.tokens_refreshed' ORDER BY originator_version DESC LIMIT 1) AS e
    OFFSET 0) AS f
CROSS JOIN LATERAL (
    SELECT position FROM positions WHERE originator_id = f.id AND originator_version = f.originator_version OFFSET 0) AS p
ORDER BY 1, 2"""


class Getter(Protocol):
    """Gives a stream as it was, or None."""

    def __call__(self, kind: type[TStream], stream_id: UUID) -> TStream | None: ...


def standing_of(grant: Grant | None, get: Getter) -> Standing | None:
    """A grant with the four states that it is judged on, or None where one of the five is missing."""
    if grant is None:
        return None
    consent, client = get(Consent, UUID(grant.consent_id)), get(Client, UUID(grant.for_client))
    member, account = get(Member, UUID(grant.member_id)), get(Account, UUID(grant.account_id))
    if consent is None or client is None or member is None or account is None:
        return None
    return Standing(grant, consent, client, member, account)


class Folded:
    """Streams as the events so far have made them."""

    def __init__(self) -> None:
        self._streams: dict[UUID, Stream] = {}

    def fold(self, event: Any) -> None:
        """Take the next event of its stream, or the next but some rotations."""
        before = self._streams.get(event.originator_id)
        if before is not None:
            before.version = event.originator_version - 1
        self._streams[event.originator_id] = event.mutate(before)

    def get(self, kind: type[TStream], stream_id: UUID) -> TStream | None:
        """The stream, or None if it has not begun."""
        found = self._streams.get(stream_id)
        return found if isinstance(found, kind) else None

    def standing(self, grant_id: UUID) -> Standing | None:
        """A grant on the four others, as far as they are here."""
        return standing_of(self.get(Grant, grant_id), self.get)


class States(Folded):
    """Streams at one position, read together; and the position of each event that they were made from."""

    def __init__(self, connection: Connection, mapper: EventMapper, position: int) -> None:
        super().__init__()
        self._connection, self._mapper, self._position = connection, mapper, position
        self._places: dict[tuple[UUID, int], int] = {}
        self.approvals: dict[str, int] = {}
        """Positions of the last approval of each app, by fingerprint."""

    def read(self, streams: Iterable[UUID]) -> None:
        """Read streams that are no grants."""
        self._read(_STREAMS, {"streams": sorted(set(streams)), "position": self._position})

    def read_grants(self, grants: Iterable[UUID | str]) -> None:
        """Read grants, less the rotations that others outlived."""
        self.read_grants_at(dict.fromkeys(map(str, grants), self._position))

    def read_grants_at(self, positions: Mapping[UUID, int] | Mapping[str, int]) -> None:
        """Read each grant as it was at a position of its own."""
        self._read(_GRANTS, {"grants": list(positions), "positions": list(positions.values())})

    def place(self, stream_id: UUID, version: int) -> int:
        """The position of an event that was read."""
        return self._places[stream_id, version]

    def _read(self, query: str, given: dict[str, Any]) -> None:
        with self._connection.cursor(binary=True) as cursor:
            for stream_id, version, topic, state, position in cursor.execute(query.encode(), given):
                self._places[stream_id, version] = position
                event = self._mapper.decode(stream_id, version, topic, bytes(state))
                self.fold(event)
                if topic == "account.app_approved":
                    self.approvals[event.fingerprint] = position
