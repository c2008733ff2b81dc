"""Which cluster keeps the order, and since when: a database that was restored elsewhere begins a new era, since its transaction ids are void."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

SYSTEM = "system_identifier"
_ERA = "order.era"
UNFINISHED = "ledger.adoption"
"""The key of `store_meta` under which an adoption stands that has begun and not ended; empty where there is none."""

_POLL_S = 0.02
_KEEP_SYSTEM = "INSERT INTO store_meta (key, value) SELECT %s, system_identifier::text FROM pg_control_system() ON CONFLICT DO NOTHING"
_SYSTEMS = "SELECT m.value, c.system_identifier::text FROM store_meta m, pg_control_system() c WHERE m.key = %s"
_SET = "INSERT INTO store_meta (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Era:
    """Events with a larger `notification_id` than `after` were written in this cluster, by transactions from `xid` on; all others have a position."""

    after: int = 0
    xid: int = 0


def era(connection: Connection) -> Era:
    """The era that this database is in."""
    kept = meta(connection, _ERA)
    return Era(**json.loads(kept)) if kept else Era()


def boundary(connection: Connection) -> Era:
    """An era that can begin now: everything up to `after` is committed or rolled back when this returns.

    An event's transaction id is given before its notification id (the order of the columns), so whoever was given one up to `after` is older
    than the transaction that is waited for.
    """
    row = connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, coalesce(max(notification_id), 0) FROM events").fetchone()
    mine = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    assert row is not None
    assert mine is not None
    while True:
        oldest = connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint").fetchone()
        if oldest is not None and oldest[0] > mine[0]:
            return Era(int(row[1]), int(row[0]))
        time.sleep(_POLL_S)


def begin(connection: Connection, new: Era) -> None:
    """From here on this cluster keeps the order."""
    set_meta(connection, _ERA, json.dumps(asdict(new)))
    connection.execute("UPDATE store_meta SET value = c.system_identifier::text FROM pg_control_system() c WHERE key = %s", (SYSTEM,))


def keep_system(connection: Connection) -> None:
    """Remember the cluster that begins the order."""
    connection.execute(_KEEP_SYSTEM, (SYSTEM,))


def foreign_cluster(connection: Connection) -> str | None:
    """A sentence, if the order was kept by another cluster than this one; None before there is any order."""
    row = connection.execute(_SYSTEMS, (SYSTEM,)).fetchone()
    if row is None or row[0] == row[1]:
        return None
    return (
        f"This database was restored into another cluster ({row[1]}; the order was kept by {row[0]}), where its transaction ids are void. "
        "Run `grantbook ledger adopt` to go on from the restored order."
    )


def unfit(connection: Connection) -> str | None:
    """Why no token may be read or made here: the copy was not adopted, so what was spent or revoked after it was made would be good again."""
    if meta(connection, UNFINISHED):
        return "The adoption of this database has not ended: run `grantbook ledger adopt` again."
    return foreign_cluster(connection)


def meta(connection: Connection, key: str) -> str:
    """A value of `store_meta`, empty where there is none."""
    row = connection.execute("SELECT value FROM store_meta WHERE key = %s", (key,)).fetchone()
    return "" if row is None else str(row[0])


def set_meta(connection: Connection, key: str, value: str) -> None:
    connection.execute(_SET, (key, value))
