"""The SQL of the decision path: tails, conditional appends, rotation; one prepared statement per shape."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache

from infrastructure.store.prepared import BIGINT_OID, BYTEA_OID, TEXT_OID, UUID_OID, Statement

UUID_ARRAY_OID, BIGINT_ARRAY_OID = 2951, 1016

_EVENT = (UUID_OID, BIGINT_OID, TEXT_OID, BYTEA_OID, UUID_OID)
_SINCE = (UUID_OID, BIGINT_OID)
_COLUMNS = "originator_id, originator_version, topic, state"
_INSERT = f"INSERT INTO events ({_COLUMNS}, account_id)"

_bigint = struct.Struct(">q")
bigint = _bigint.pack


def from_bigint(data: bytes) -> int:
    """The number of a binary bigint (or xid8)."""
    value: int = _bigint.unpack(data)[0]
    return value


@cache
def tail(streams: int, *, with_key: bool = False) -> Statement:
    """Everything newer than a version on each of several streams: parameters (id, version) each; then subject and period of a data key."""
    parts = [f"SELECT {_COLUMNS} FROM events WHERE {_newer(2 * n + 1)}" for n in range(streams)]
    oids = _SINCE * streams
    if with_key:
        subject = 2 * streams + 1
        parts.append(f"SELECT NULL, 0, kid || ' ' || kek_id, wrapped FROM subject_keys WHERE subject = ${subject} AND period = ${subject + 1}")
        oids += (TEXT_OID, TEXT_OID)
    return Statement(f"tail_{streams}{'_key' if with_key else ''}", " UNION ALL ".join(parts), oids)


TAIL_MANY = Statement(
    "tail_many",
    f"""SELECT {", ".join(f"e.{name}" for name in _COLUMNS.split(", "))}
FROM unnest($1::uuid[], $2::bigint[]) AS stream(id, since)
CROSS JOIN LATERAL (SELECT {_COLUMNS} FROM events WHERE originator_id = stream.id AND originator_version > stream.since OFFSET 0) AS e""",
    (UUID_ARRAY_OID, BIGINT_ARRAY_OID),
)
"""The same for any number of streams, by one statement: arrays of ids and versions. OFFSET keeps the planner at one probe for each."""


def array_of(oid: int, values: Sequence[bytes]) -> bytes:
    """A one-dimensional array in PostgreSQL's binary form; `oid` is its elements' type."""
    head = struct.pack(">iiiii", 1, 0, oid, len(values), 1)
    return head + b"".join(struct.pack(">i", len(value)) + value for value in values)


SNAPSHOT_AND_TAIL = Statement(
    "snapshot_and_tail",
    f"""WITH snapshot AS MATERIALIZED (
    SELECT originator_id, originator_version, topic, state FROM snapshots
    WHERE originator_id = $1 AND topic = $2 ORDER BY originator_version DESC LIMIT 1)
SELECT originator_id, originator_version, topic, state FROM snapshot
UNION ALL
SELECT {_COLUMNS} FROM events
WHERE originator_id = $1 AND originator_version > coalesce((SELECT originator_version FROM snapshot), 0)""",
    (UUID_OID, TEXT_OID),
)


NEWEST_SNAPSHOTS = Statement(
    "newest_snapshots",
    f"""SELECT s.* FROM unnest($2::uuid[]) AS stream(id) CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM snapshots WHERE originator_id = stream.id AND topic = $1 ORDER BY originator_version DESC LIMIT 1) AS s""",
    (TEXT_OID, UUID_ARRAY_OID),
)
"""The newest snapshot of each of several streams."""


@cache
def append(events: int, judged: int) -> Statement:
    """Insert rows if nothing newer stands on the judged streams; gives the transaction id per row stored.

    One row does nothing on a conflict; several abort whole, since DO NOTHING could store half a use case.
    """
    rows = ", ".join("(" + ", ".join(f"${5 * n + i}{cast}" for i, cast in enumerate(_CASTS, 1)) + ")" for n in range(events))
    conditions = [f"NOT EXISTS (SELECT FROM events WHERE {_newer(5 * events + 2 * n + 1)})" for n in range(judged)]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    ending = " ON CONFLICT DO NOTHING" if events == 1 else ""
    sql = f"{_INSERT} SELECT * FROM (VALUES {rows}) AS new{where}{ending} RETURNING xid"
    return Statement(f"append_{events}_{judged}", sql, _EVENT * events + _SINCE * judged)


_CASTS = ("::uuid", "::bigint", "::text", "::bytea", "::uuid")

MOST_JUDGED = 4
"""Streams beside its own that a row of `shared` can be judged on."""

_SHARED = (*_EVENT, BIGINT_OID, BIGINT_OID, *_SINCE * MOST_JUDGED)
_SHARED_CASTS = (*_CASTS, "::bigint", "::bigint", *("::uuid", "::bigint") * MOST_JUDGED)


@cache
def shared(rows: int) -> Statement:
    """Insert each of several rows whose own conditions hold; gives stream and transaction id of those stored.

    Parameters of a row: the new event; its predecessor's version (the head; 0 begins a stream); the version of its own stream that was judged;
    id and version of four others, repeated where there are fewer. The head must stand, and nothing newer than what was judged but rotations,
    which only a grant has. LIMIT and OFFSET keep the planner from turning the probes into joins.
    """
    width = len(_SHARED)
    values = ", ".join("(" + ", ".join(f"${width * n + i}{cast}" for i, cast in enumerate(_SHARED_CASTS, 1)) + ")" for n in range(rows))
    sql = f"""{_INSERT} SELECT r.id, r.version, r.topic, r.state, r.account
FROM (VALUES {values}) AS r(id, version, topic, state, account, head, judged, id_2, since_2, id_3, since_3, id_4, since_4, id_5, since_5)
WHERE (r.head = 0 OR EXISTS (SELECT FROM events WHERE originator_id = r.id AND originator_version = r.head OFFSET 0))
AND NOT EXISTS (
    SELECT FROM (VALUES (r.id, r.judged), (r.id_2, r.since_2), (r.id_3, r.since_3), (r.id_4, r.since_4), (r.id_5, r.since_5)) AS stream(id, since)
    CROSS JOIN LATERAL (
        SELECT FROM events
        WHERE originator_id = stream.id AND originator_version > stream.since AND topic <> 'grant.tokens_refreshed' LIMIT 1) AS newer)
ON CONFLICT DO NOTHING RETURNING originator_id, xid"""
    return Statement(f"shared_{rows}", sql, _SHARED * rows)


DATA_KEY = Statement("data_key", "SELECT kid, wrapped, kek_id FROM subject_keys WHERE subject = $1 AND period = $2", (TEXT_OID, TEXT_OID))

STORED = Statement("stored", "SELECT state, xid FROM events WHERE originator_id = $1 AND originator_version = $2", _SINCE)

SNAPSHOT = Statement(
    "snapshot",
    """WITH older AS (DELETE FROM snapshots WHERE originator_id = $1 AND originator_version < $2)
INSERT INTO snapshots (originator_id, originator_version, topic, state) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING""",
    (UUID_OID, BIGINT_OID, TEXT_OID, BYTEA_OID),
)


def _newer(first: int) -> str:
    return f"originator_id = ${first} AND originator_version > ${first + 1}"
