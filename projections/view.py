"""The SQL that all projections share: where the order and each of them stand, their tables and stable views."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg

from projections.connection import Connection
from projections.definition import Names, Projection
from projections.literals import text_array

PREPARE_LOCK = 0x67725F70726570  # one process at a time makes or replaces tables
_LOCK_EVERY = 0.02


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a projection stands. `state` is live, building or stopped; `error` says why it stopped."""

    name: str
    version: int
    position: int
    suffix: str
    state: str
    error: str | None
    updated_at: datetime


def is_fault(error: BaseException) -> bool:
    """Whether the database refused the data (a poison event), rather than the connection or the moment being bad."""
    refused = psycopg.DataError | psycopg.IntegrityError | psycopg.ProgrammingError | psycopg.NotSupportedError | psycopg.errors.PipelineAborted
    return isinstance(error, refused)


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone or the database could not do it now; trying again is right."""
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def head(connection: Connection) -> int:
    """The last position; 0 for an empty store."""
    row = connection.execute("SELECT coalesce(max(position), 0) FROM positions", prepare=True).fetchone()
    return int(row[0])


def standings(connection: Connection) -> dict[str, Standing]:
    """All rows of `projections`, by name."""
    rows = connection.execute("SELECT name, version, position, table_suffix, state, error, updated_at FROM projections", prepare=True).fetchall()
    return {row[0]: Standing(*row) for row in rows}


def standing(connection: Connection, name: str, *, lock: bool = False) -> Standing | None:
    """Where one stands; with `lock`, held there until the transaction ends."""
    query = "SELECT name, version, position, table_suffix, state, error, updated_at FROM projections WHERE name = %s"
    row = connection.execute(query + " FOR UPDATE" if lock else query, (name,)).fetchone()
    return None if row is None else Standing(*row)


def advance(connection: Connection, name: str, old: int, new: int, suffix: str) -> bool:
    """The fence: move on only from the position and tables that the writer believes in, and hold the row until the end."""
    moved = connection.execute(
        "UPDATE projections SET position = %s, updated_at = now() WHERE name = %s AND position = %s AND table_suffix = %s AND state <> 'stopped'",
        (new, name, old, suffix),
        prepare=True,
    )
    return bool(moved.rowcount == 1)


def advance_all(connection: Connection, suffixes: Mapping[str, str], old: int, new: int) -> None:
    """The fence for several at once: fails where one of them stands elsewhere, so that nothing after it in a pipeline is done."""
    connection.execute(
        """WITH moved AS (
            UPDATE projections p SET position = %s, updated_at = now() FROM unnest(%s::text[], %s::text[]) AS w (name, suffix)
            WHERE p.name = w.name AND p.table_suffix = w.suffix AND p.position = %s AND p.state = 'live' RETURNING p.name)
        SELECT 1 / (count(*) = %s)::int FROM moved""",
        (new, text_array(suffixes), text_array(suffixes.values()), old, len(suffixes)),
        prepare=True,
    )


def advance_idle(connection: Connection, names: Sequence[str], old: int, new: int) -> None:
    """Move projections over events that they don't want."""
    connection.execute(
        "UPDATE projections SET position = %s, updated_at = now() WHERE name = ANY(%s::text[]) AND position = %s AND state = 'live'",
        (new, list(names), old),
        prepare=True,
    )


def stop(connection: Connection, name: str, position: int, error: str) -> None:
    """Stop a projection before a poison event."""
    connection.execute(
        "UPDATE projections SET state = 'stopped', error = %s, updated_at = now() WHERE name = %s AND position = %s AND state = 'live'",
        (error.replace("\x00", ""), name, position),
    )


def resume(connection: Connection) -> None:
    """Let stopped projections try again: a new leader may run repaired code."""
    connection.execute("UPDATE projections SET state = 'live', error = NULL WHERE state = 'stopped'")


def add_standing(connection: Connection, name: str, version: int, suffix: str, state: str) -> None:
    query = "INSERT INTO projections (name, version, position, table_suffix, state) VALUES (%s, %s, 0, %s, %s)"
    connection.execute(query, (name, version, suffix, state))


def remove_standing(connection: Connection, name: str) -> None:
    connection.execute("DELETE FROM projections WHERE name = %s", (name,))


def switch(connection: Connection, projection: Projection, suffix: str, position: int) -> None:
    """Point the stable views at other tables and say so, in the caller's transaction."""
    show(connection, projection, projection.names(suffix))
    connection.execute(
        "UPDATE projections SET version = %s, table_suffix = %s, position = %s, state = 'live', error = NULL, updated_at = now() WHERE name = %s",
        (projection.version, suffix, position, projection.name),
    )


def show(connection: Connection, projection: Projection, names: Names) -> None:
    """Make the stable views of a projection."""
    for table in projection.tables:
        connection.execute(f"DROP VIEW IF EXISTS views.{table}")
        connection.execute(f"CREATE VIEW views.{table} AS SELECT * FROM {names[table]}")


def lock_within(connection: Connection, key: str, seconds: float) -> bool:
    """A session's advisory lock by name, waited for: the session of a process that was killed takes a moment to end."""
    until = time.monotonic() + seconds
    while not _try_lock(connection, key):
        if time.monotonic() >= until:
            return False
        time.sleep(_LOCK_EVERY)
    return True


def _try_lock(connection: Connection, key: str) -> bool:
    return bool(connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (key,)).fetchone()[0])


def unlock(connection: Connection, key: str) -> None:
    connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (key,))


def prepare_lock(connection: Connection) -> None:
    """Wait for the one who may make tables, until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (PREPARE_LOCK,))


def patience(connection: Connection, milliseconds: int) -> None:
    """How long a statement of this transaction may wait for a lock."""
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{milliseconds}ms",))


def tables_of(connection: Connection, projection: Projection) -> list[str]:
    """Every table of a projection in the schema, whichever version and suffix."""
    query = """
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'views' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname ~ %s"""
    pattern = f"^({'|'.join(projection.tables)})_v[0-9]+(_[0-9a-f]+)?$"
    return [f"views.{row[0]}" for row in connection.execute(query, (pattern,)).fetchall()]


def drop_table(connection: Connection, table: str) -> None:
    connection.execute(f"DROP TABLE IF EXISTS {table}")


@lru_cache(maxsize=512)
def _formatted(template: str, names: tuple[tuple[str, str], ...]) -> str:
    return template.format(**dict(names))


def sql(template: str, names: Names) -> str:
    """A statement with `{table}` replaced by the table that is written."""
    return _formatted(template, tuple(names.items()))


def run(connection: Connection, names: Names, template: str, params: Any = None) -> Any:
    """Execute a statement about the tables that are written."""
    return connection.execute(sql(template, names), params, prepare=True)


def is_lock_timeout(error: BaseException) -> bool:
    """Whether a statement gave up waiting for a lock."""
    return isinstance(error, psycopg.errors.LockNotAvailable)


def names_at(projection: Projection, standing: Standing) -> list[str]:
    """The tables that a row of `projections` stands for, of whichever version."""
    return [f"views.{table}_v{standing.version}{standing.suffix}" for table in projection.tables]


def erased_members(connection: Connection) -> list[str]:
    """The members known to be erased: a build opens nothing of theirs from the start."""
    if connection.execute("SELECT to_regclass('views.members')").fetchone()[0] is None:
        return []
    return [row[0] for row in connection.execute("SELECT member_id::text FROM views.members WHERE erased").fetchall()]


def exists(connection: Connection, table: str) -> bool:
    """Whether there is this table: an older version of a projection may not have had it."""
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    return row is not None and bool(row[0])


_LAG = """
SELECT coalesce(min(p.position), 0), coalesce(max(h.head), 0), extract(epoch FROM now() - max(l.heartbeat_at)),
    extract(epoch FROM now() - (SELECT at FROM positions WHERE position = min(p.position) + 1)),
    min(p.error) FILTER (WHERE p.state = 'stopped'), extract(epoch FROM now() - min(p.updated_at) FILTER (WHERE p.state = 'stopped'))
FROM projections p CROSS JOIN (SELECT max(position) AS head FROM positions) h LEFT JOIN projector_leader l ON true
WHERE p.name = ANY(%s) OR (%s AND p.name NOT LIKE '%%/%%')
"""


def lag(connection: Connection, name: str | None) -> tuple[Any, ...]:
    """Position of the slowest, head, age of the heartbeat, age of the oldest event not taken, error and seconds of a stop."""
    row: tuple[Any, ...] = connection.execute(_LAG, ([name], name is None), prepare=True).fetchone()
    return row


def heartbeat(connection: Connection, holder: str) -> None:
    """Say who leads; the first word of a new leader resets `since`."""
    connection.execute(
        """INSERT INTO projector_leader AS l (holder, backend_pid) VALUES (%s, pg_backend_pid())
        ON CONFLICT (singleton) DO UPDATE SET heartbeat_at = now(), holder = excluded.holder, backend_pid = excluded.backend_pid,
            since = CASE WHEN l.holder = excluded.holder AND l.backend_pid = excluded.backend_pid THEN l.since ELSE now() END""",
        (holder,),
        prepare=True,
    )


def holds(connection: Connection, position: int, name: str | None) -> bool:
    """Whether a projection, or every one that runs, has come to a position."""
    query = "SELECT coalesce(min(position), 0) >= %s FROM projections WHERE state = 'live' AND (name = %s OR %s)"
    return bool(connection.execute(query, (position, name, name is None), prepare=True).fetchone()[0])


def position_of(connection: Connection, account_id: str, stream_id: UUID, version: int) -> int | None:
    """The position of an account's event; None if it has none yet, or is another account's."""
    query = "SELECT position FROM positions WHERE originator_id = %s AND originator_version = %s AND account_id = %s"
    row = connection.execute(query, (stream_id, version, account_id), prepare=True).fetchone()
    return None if row is None else int(row[0])
