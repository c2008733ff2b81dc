from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from infrastructure.store.sequencer import Sequencer
from tests.infrastructure.store import given
from tests.support.postgres import Database

CHANGES = [
    "UPDATE events SET state = '{}'",
    "DELETE FROM events",
    "TRUNCATE events",
    "UPDATE positions SET leaf_hash = sha256('x')",
    "DELETE FROM positions",
    "TRUNCATE positions",
]


@pytest.fixture(scope="module")
def filled(module_database: Database) -> Database:
    with given.store_on(module_database) as store, psycopg.connect(module_database.web_dsn, autocommit=True) as connection:
        given.world(store)
        Sequencer(connection).sequence()
    return module_database


def attempt(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.mark.parametrize("change", CHANGES)
def test_not_even_the_owner_or_a_superuser_changes_history(filled: Database, change: str) -> None:
    for dsn in (filled.owner_dsn, filled.superuser_dsn):
        with pytest.raises(InsufficientPrivilege, match="append-only"):
            attempt(dsn, change)


@pytest.mark.parametrize("change", CHANGES)
def test_the_guard_stays_on_where_other_triggers_are_switched_off(filled: Database, change: str) -> None:
    with pytest.raises(InsufficientPrivilege, match="append-only"):
        attempt(filled.superuser_dsn, "SET session_replication_role = replica", change)


@pytest.mark.parametrize(
    "change", [*CHANGES, "ALTER TABLE events DISABLE TRIGGER events_append_only", "DROP TABLE events", "CREATE TABLE public.x ()"]
)
def test_the_web_role_may_only_read_and_append(filled: Database, change: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        attempt(filled.web_dsn, change)


@pytest.mark.parametrize(
    "columns",
    [
        ("xid", "'1'"),
        ("notification_id", "1"),
    ],
)
def test_the_web_role_cannot_write_what_makes_the_order(filled: Database, columns: tuple[str, str]) -> None:
    name, value = columns
    with pytest.raises(InsufficientPrivilege):
        attempt(
            filled.web_dsn,
            f"INSERT INTO events (originator_id, originator_version, topic, state, account_id, {name}) OVERRIDING SYSTEM VALUE "
            f"VALUES ('{uuid4()}', 1, 't', '{{}}', '{uuid4()}', {value})",
        )


def test_the_web_role_is_no_superuser(filled: Database) -> None:
    with psycopg.connect(filled.web_dsn) as connection:
        row: tuple[Any, ...] | None = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (False, False, False, False)


def test_a_topic_with_a_newline_is_refused(filled: Database) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        attempt(
            filled.web_dsn,
            "INSERT INTO events (originator_id, originator_version, topic, state, account_id) "
            "VALUES (gen_random_uuid(), 1, E'a\\nb', '{}', gen_random_uuid())",
        )
