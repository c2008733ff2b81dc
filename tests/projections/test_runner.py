from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from infrastructure.store.store import PostgresStore
from projections import view
from projections.events import PersonalReader
from projections.preparing import prepare
from projections.registry import PROJECTIONS
from projections.runner import Runner
from tests.projections.history import History

Connection = psycopg.Connection[Any]


def run_all(connection: Connection, reader: PersonalReader, batch: Callable[[], int] | int = 1000) -> None:
    """Take every live projection to the head."""
    while True:
        runner = Runner(connection, reader, batch=batch if isinstance(batch, int) else batch())
        if runner.step().behind == 0:
            return


def contents(connection: Connection, only: str = "") -> dict[str, list[str]]:
    """Every row of every table that a projection writes, as text."""
    standings = view.standings(connection)
    found = {}
    for projection in PROJECTIONS:
        for table, physical in projection.names(standings[projection.name].suffix).items():
            if table.startswith(only):
                found[table] = [r[0] for r in connection.execute(f"SELECT t::text FROM {physical} t ORDER BY 1").fetchall()]
    return found


def forget_everything(connection: Connection) -> None:
    for projection in PROJECTIONS:
        standing = view.standing(connection, projection.name)
        assert standing is not None
        for table in projection.names(standing.suffix).values():
            connection.execute(f"DROP TABLE {table} CASCADE")
        view.remove_standing(connection, projection.name)
    prepare(connection)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_sizes_of_batches_give_equal_rows(
    seed: int, store: PostgresStore, connection: Connection, sequence: Callable[[], None], new_reader: Callable[[], PersonalReader]
) -> None:
    prepare(connection)
    history = History(store, seed)
    history.play(250)
    sequence()
    run_all(connection, new_reader())
    assert all(s.state == "live" for s in view.standings(connection).values())
    expected = contents(connection)
    assert all(expected[table] for table in ("sessions", "clients", "integrations", "consents", "members", "audit_log", "session_endings"))
    sizes = random.Random(seed)
    for most in (1, 2, 7, 40):
        forget_everything(connection)
        run_all(connection, new_reader(), lambda most=most: sizes.randint(1, most))  # type: ignore[misc]
        for table, rows in contents(connection).items():
            assert rows == expected[table], f"{table}, batches of up to {most}"

