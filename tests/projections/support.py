"""Taking projections to the head, and looking at what they wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from projections import view
from projections.comparing.comparison import Difference
from projections.events import PersonalReader
from projections.preparing import prepare
from projections.registry import PROJECTIONS
from projections.runner import Runner
from projections.verify import verify

Connection = psycopg.Connection[Any]


def run_all(connection: Connection, reader: PersonalReader, batch: Callable[[], int] | int = 1000) -> None:
    """Take every live projection to the head."""
    while Runner(connection, reader, batch=batch if isinstance(batch, int) else batch()).step().taken:
        pass


def contents(connection: Connection) -> dict[str, list[str]]:
    """Every row of every table that a projection writes, as text."""
    standings = view.standings(connection)
    found = {}
    for projection in PROJECTIONS:
        for table, physical in projection.names(standings[projection.name].suffix).items():
            found[table] = [r[0] for r in connection.execute(f"SELECT t::text FROM {physical} t ORDER BY 1".encode()).fetchall()]
    return found


def forget_everything(connection: Connection) -> None:
    """Begin all projections anew at position 0."""
    for projection in PROJECTIONS:
        standing = view.standing(connection, projection.name)
        assert standing is not None
        for table in projection.names(standing.suffix).values():
            connection.execute(f"DROP TABLE {table} CASCADE".encode())
        view.remove_standing(connection, projection.name)
    prepare(connection)


def differences(connection: Connection, snapshot: Connection, new_reader: Callable[[], PersonalReader]) -> list[Difference]:
    """What `verify` finds in all projections."""
    found = [item for projection in PROJECTIONS for item in verify(connection, snapshot, projection, new_reader())]
    return [item for item in found if isinstance(item, Difference)]
