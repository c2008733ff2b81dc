"""The order of events: gives each committed event the next dense position and its leaf hash, late commits included."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.errors import UniqueViolation

from infrastructure.store.era import Era, era, keep_system, unfit

LEADER_LOCK = 0x6772_616E_7462_6F6B
"""Key of the advisory lock that the leading projector holds on its connection ("grantbok")."""

BATCH = 1_000


class OrderRefused(Exception):
    """The order can't go on by itself: the message says why and what to do."""


class LeadershipLost(Exception):
    """Another process has positioned events meanwhile."""


@dataclass(frozen=True, slots=True)
class Stall:
    """A transaction that holds the order up: events committed after it began wait for it. `pid` is None for a prepared one."""

    kind: str
    pid: int | None
    name: str
    age_seconds: float | None


# `at` never goes back, whatever the clocks did. An event's time stands first in its state (`{"timestamp":<microseconds>,`); a state without
# one takes the time before it. An event is misplaced if its predecessor has no position and doesn't stand before it in the batch.
_PLACE = r"""
WITH last AS MATERIALIZED (
    SELECT p.position, p.at, CASE WHEN e.notification_id > {after} THEN e.xid ELSE '{xid}' END AS xid,
        CASE WHEN e.notification_id > {after} THEN e.notification_id ELSE 0 END AS notification_id
    FROM (SELECT * FROM positions ORDER BY position DESC LIMIT 1) p CROSS JOIN LATERAL (
        SELECT xid, notification_id FROM events
        WHERE originator_id = p.originator_id AND originator_version = p.originator_version OFFSET 0) e
), batch AS MATERIALIZED (
    SELECT originator_id, originator_version, account_id, leaf_hash, row_number() OVER so_far AS n,
        max(CASE WHEN length(micros) BETWEEN 1 AND 18 AND ltrim(micros, '0123456789') = ''
            THEN micros::bigint END) OVER so_far AS latest
    FROM (SELECT originator_id, originator_version, account_id, xid, notification_id,
            CASE WHEN substring(state FOR 13) = '{"timestamp":'
                THEN split_part(encode(substring(state FROM 14 FOR 20), 'escape'), ',', 1) END AS micros,
            sha256('\x00'::bytea || convert_to(concat_ws(E'\n', 'gb1', originator_id, originator_version, topic, ''), 'UTF8') || state) AS leaf_hash
        FROM events WHERE {which}) AS next
    WINDOW so_far AS (ORDER BY {order} ROWS UNBOUNDED PRECEDING)
), first AS MATERIALIZED (
    SELECT originator_id, originator_version, n FROM batch b WHERE originator_version <> 1 AND (
        SELECT true FROM positions p WHERE p.originator_id = b.originator_id AND p.originator_version = b.originator_version - 1 LIMIT 1) IS NULL
), misplaced AS MATERIALIZED (
    SELECT originator_id, originator_version FROM first f WHERE NOT EXISTS (
        SELECT FROM batch b WHERE b.originator_id = f.originator_id AND b.originator_version = f.originator_version - 1 AND b.n < f.n)
    ORDER BY n LIMIT 1
), placed AS (
    INSERT INTO positions (position, account_id, originator_id, originator_version, at, leaf_hash)
    SELECT coalesce((SELECT position FROM last), 0) + n, account_id, originator_id, originator_version,
        greatest((SELECT at FROM last), timestamptz 'epoch' + latest * interval '1 microsecond', timestamptz 'epoch'), leaf_hash
    FROM batch WHERE NOT EXISTS (SELECT FROM misplaced)
    RETURNING true
)
SELECT (SELECT count(*) FROM placed), (SELECT originator_id || ':' || originator_version FROM misplaced)"""
# Rows below the oldest running transaction can't be joined by late ones any more.
_NEXT = """(events.xid, events.notification_id) > (coalesce((SELECT xid FROM last), '{xid}'), coalesce((SELECT notification_id FROM last), 0))
        AND events.notification_id > {after} AND events.xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY events.xid, events.notification_id LIMIT {limit}"""
_IN_ORDER = "xid, notification_id"
# What was restored stands before what was written in this cluster since: a row that this cluster wrote has its own transaction's id.
_RESTORED = """notification_id <= {after}
        AND NOT EXISTS (SELECT FROM positions p WHERE (p.originator_id, p.originator_version) = (events.originator_id, events.originator_version))"""
_RESTORED_FIRST = f"notification_id > {{restored}}, {_IN_ORDER}"
_LAST_RESTORED = "SELECT coalesce(max(notification_id), 0) FROM events WHERE xid::text::bigint & 4294967295 <> xmin::text::bigint"

_STALLS = """
SELECT 'transaction', l.pid, coalesce(a.application_name, ''), extract(epoch FROM clock_timestamp() - a.xact_start)::float
FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid()
AND l.transactionid::text::bigint = (pg_snapshot_xmin(pg_current_snapshot())::text::bigint & 4294967295)
UNION ALL
SELECT 'prepared transaction', NULL, gid, extract(epoch FROM clock_timestamp() - prepared)::float FROM pg_prepared_xacts"""


class Sequencer:
    """Runs on the leading projector's connection (autocommit). Construction checks that the cluster is the one that wrote the order so far."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        keep_system(connection)
        why = unfit(connection)
        if why is not None:
            raise OrderRefused(why)
        self._era = era(connection)

    def sequence(self, limit: int = BATCH) -> int:
        """Position the next events; how many. `OrderRefused` names an event that stands before its predecessor."""
        return _placed(self._connection, next_events(self._era, limit), prepare=True)


@lru_cache(maxsize=16)
def next_events(now: Era, limit: int) -> bytes:
    """The statement that positions the next events."""
    return _statement(_NEXT, _IN_ORDER, limit=int(limit), after=now.after, xid=now.xid)


def place_restored(connection: psycopg.Connection[Any], new: Era) -> int:
    """Position everything up to a new era that has no position, in the order in which its own cluster would have; how many."""
    row = connection.execute(_LAST_RESTORED).fetchone()
    restored = 0 if row is None else int(row[0])
    return _placed(connection, _statement(_RESTORED, _RESTORED_FIRST, restored=restored, after=new.after, xid=new.xid))


def _statement(which: str, order: str, **numbers: int) -> bytes:
    statement = _PLACE.replace("{which}", which).replace("{order}", order)
    for name, number in numbers.items():
        statement = statement.replace(f"{{{name}}}", str(number))
    return statement.encode()


def _placed(connection: psycopg.Connection[Any], statement: bytes, *, prepare: bool = False) -> int:
    try:
        row = connection.execute(statement, prepare=prepare).fetchone()
    except UniqueViolation as error:
        raise LeadershipLost("Another process has positioned these events.") from error
    if row is None:
        return 0
    if row[1] is not None:
        raise OrderRefused(f"Event {row[1]} stands before its predecessor in commit order: nothing more is positioned until this is resolved.")
    return int(row[0])


def lead(connection: psycopg.Connection[Any]) -> bool:
    """Try to become the leader: the lock lasts as long as the connection."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LEADER_LOCK,)).fetchone()
    return row is not None and bool(row[0])


def stalls(connection: psycopg.Connection[Any], *, older_than_seconds: float = 1.0) -> list[Stall]:
    """What holds the order up and has done so for a while, oldest first. An age that the role may not see is None, and is named."""
    found = [Stall(*row) for row in connection.execute(_STALLS).fetchall()]
    lasting = [s for s in found if s.age_seconds is None or s.age_seconds >= older_than_seconds]
    return sorted(lasting, key=lambda s: -(s.age_seconds or 0.0))
