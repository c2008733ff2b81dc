"""The order of events: gives each committed event the next dense position and its leaf hash, late commits included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.errors import UniqueViolation

LEADER_LOCK = 0x6772_616E_7462_6F6B
"""Key of the advisory lock that the leading projector holds on its connection ("grantbok")."""

BATCH = 1_000
_SYSTEM = "system_identifier"


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


# Planned at each run, with the number of rows inlined: the tables grow, and a plan made while they were small would scan them whole.
# Rows below the oldest running transaction can't be joined by late ones any more. `at` never goes back, whatever the clocks did.
# An event's time stands first in its state (`{"timestamp":<microseconds>,`); a state without one takes the time before it.
_SEQUENCE = r"""
WITH last AS MATERIALIZED (
    SELECT p.position, p.at, e.xid, e.notification_id
    FROM (SELECT * FROM positions ORDER BY position DESC LIMIT 1) p JOIN events e USING (originator_id, originator_version)
), batch AS MATERIALIZED (
    SELECT originator_id, originator_version, topic, state, account_id, xid, notification_id,
        row_number() OVER (ORDER BY xid, notification_id) AS n,
        CASE WHEN substring(state FOR 13) = '{"timestamp":' AND length(micros) BETWEEN 1 AND 18 AND ltrim(micros, '0123456789') = ''
            THEN micros::bigint END AS micros
    FROM (
        SELECT *, split_part(encode(substring(state FROM 14 FOR 20), 'escape'), ',', 1) AS micros FROM events
        WHERE (events.xid, events.notification_id) > (coalesce((SELECT xid FROM last), '0'), coalesce((SELECT notification_id FROM last), 0))
        AND events.xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY events.xid, events.notification_id LIMIT {limit}
    ) AS next
), checked AS MATERIALIZED (
    SELECT *, lag(originator_version) OVER (PARTITION BY originator_id ORDER BY n) AS before FROM batch
), misplaced AS MATERIALIZED (
    SELECT originator_id, originator_version FROM checked c WHERE originator_version <> 1 + coalesce(before, 0) AND (
        before IS NOT NULL OR (
            SELECT true FROM positions p WHERE p.originator_id = c.originator_id AND p.originator_version = c.originator_version - 1 LIMIT 1) IS NULL)
    ORDER BY n LIMIT 1
), placed AS (
    INSERT INTO positions (position, account_id, originator_id, originator_version, at, leaf_hash)
    SELECT coalesce((SELECT position FROM last), 0) + n, account_id, originator_id, originator_version,
        greatest((SELECT at FROM last), max(timestamptz 'epoch' + micros * interval '1 microsecond') OVER (ORDER BY n), timestamptz 'epoch'),
        sha256('\x00'::bytea || convert_to(concat_ws(E'\n', 'gb1', originator_id, originator_version, topic, ''), 'UTF8') || state)
    FROM batch WHERE NOT EXISTS (SELECT FROM misplaced) ORDER BY n
    RETURNING position
)
SELECT (SELECT count(*) FROM placed), (SELECT max(position) FROM placed), (SELECT originator_id || ':' || originator_version FROM misplaced)"""

_STALLS = """
SELECT 'transaction', l.pid, coalesce(a.application_name, ''), extract(epoch FROM clock_timestamp() - a.xact_start)::float
FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid()
AND l.transactionid::text::bigint = (pg_snapshot_xmin(pg_current_snapshot())::text::bigint & 4294967295)
UNION ALL
SELECT 'prepared transaction', NULL, gid, extract(epoch FROM clock_timestamp() - prepared)::float FROM pg_prepared_xacts"""


_KEEP_SYSTEM = "INSERT INTO store_meta (key, value) SELECT %s, system_identifier::text FROM pg_control_system() ON CONFLICT DO NOTHING"
_SYSTEMS = "SELECT m.value, c.system_identifier::text FROM store_meta m, pg_control_system() c WHERE m.key = %s"


class Sequencer:
    """Runs on the leading projector's connection (autocommit). Construction checks that the cluster is the one that wrote the order so far."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._check_cluster()

    def sequence(self, limit: int = BATCH) -> int:
        """Position the next events; how many. `OrderRefused` names an event that stands before its predecessor."""
        try:
            row = self._connection.execute(_SEQUENCE.replace("{limit}", str(int(limit))).encode(), prepare=False).fetchone()
        except UniqueViolation as error:
            raise LeadershipLost("Another process has positioned these events.") from error
        if row is None:
            return 0
        if row[2] is not None:
            raise OrderRefused(f"Event {row[2]} stands before its predecessor in commit order: nothing more is positioned until this is resolved.")
        return int(row[0])

    def _check_cluster(self) -> None:
        self._connection.execute(_KEEP_SYSTEM, (_SYSTEM,))
        foreign = foreign_cluster(self._connection)
        if foreign is not None:
            raise OrderRefused(foreign)


def foreign_cluster(connection: psycopg.Connection[Any]) -> str | None:
    """A sentence, if the order was kept by another cluster than this one; None before there is any order."""
    row = connection.execute(_SYSTEMS, (_SYSTEM,)).fetchone()
    if row is None or row[0] == row[1]:
        return None
    return (
        f"This database was restored into another cluster ({row[1]}; the order was kept by {row[0]}), where its transaction ids are void. "
        "Run `grantbook ledger adopt` to go on from the restored order."
    )


def lead(connection: psycopg.Connection[Any]) -> bool:
    """Try to become the leader: the lock lasts as long as the connection."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LEADER_LOCK,)).fetchone()
    return row is not None and bool(row[0])


def stalls(connection: psycopg.Connection[Any], *, older_than_seconds: float = 1.0) -> list[Stall]:
    """What holds the order up and has done so for a while, oldest first. An age that the role may not see is None, and is named."""
    found = [Stall(*row) for row in connection.execute(_STALLS).fetchall()]
    lasting = [s for s in found if s.age_seconds is None or s.age_seconds >= older_than_seconds]
    return sorted(lasting, key=lambda s: -(s.age_seconds or 0.0))
