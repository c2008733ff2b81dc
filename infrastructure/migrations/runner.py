"""Applies pending migrations, each in a transaction of its own, one runner at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from infrastructure.database import MIGRATE, WEB_ROLE, connect, first_line, with_parameters
from infrastructure.migrations.files import Migration, load_migrations
from infrastructure.migrations.state import MigrationError, MigrationState, NotMigrated, compare, refuse_foreign_history

__all__ = ["MigrationError", "NotMigrated", "migrate"]

_LOCK = 0x6772_616E_7462_6F6F  # "grantboo": one runner per database
_WAIT_FOR_OTHER_RUNNER = "120s"
_LOCK_TIMEOUT = "5s"
_STATEMENT_TIMEOUT = "300s"

_HISTORY = """
    CREATE TABLE IF NOT EXISTS public.schema_migrations (
        number int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
"""


def migrate(owner_dsn: str, web_role: str = WEB_ROLE, migrations: Sequence[Migration] | None = None) -> list[MigrationState]:
    """Bring the schema up to date and return the state of every migration; nothing to do is no error.

    `owner_dsn` connects as the role that shall own the tables, `web_role` is the role that serves requests: it must exist,
    and be neither the owner, nor a superuser, nor a member of the owner's role.
    """
    known = load_migrations() if migrations is None else migrations
    with connect(with_parameters(owner_dsn, application_name=MIGRATE)) as connection:
        _refuse_unfit_roles(connection, web_role)
        _wait_for_turn(connection)
        states = compare(connection, known)
        refuse_foreign_history(states)
        connection.execute(_HISTORY)
        pending = {state.number for state in states if state.state == "pending"}
        for migration in known:
            if migration.number in pending:
                _apply(connection, migration, web_role)
        return compare(connection, known)


def _wait_for_turn(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [_WAIT_FOR_OTHER_RUNNER])
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    except psycopg.errors.LockNotAvailable as error:
        raise MigrationError("Another `grantbook migrate` has been running for two minutes: wait for it or end it.") from error


def _apply(connection: psycopg.Connection[Any], migration: Migration, web_role: str) -> None:
    label = f"{migration.number:04d}_{migration.name}"
    text = migration.sql.replace("{{web_role}}", sql.Identifier(web_role).as_string(connection))
    try:
        with connection.transaction():
            connection.execute(
                "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true), set_config('search_path', 'public', true)",
                [_LOCK_TIMEOUT, _STATEMENT_TIMEOUT],
            )
            connection.execute(text)
            connection.execute(
                "INSERT INTO public.schema_migrations (number, name, checksum) VALUES (%s, %s, %s)",
                [migration.number, migration.name, migration.checksum],
            )
    except psycopg.errors.LockNotAvailable as error:
        raise MigrationError(
            f"Migration {label} waited {_LOCK_TIMEOUT} for a lock and changed nothing: end the long transaction that holds it, "
            "then run `grantbook migrate` again."
        ) from error
    except psycopg.Error as error:
        raise MigrationError(f"Migration {label} failed and changed nothing: {first_line(error)}") from error


def _refuse_unfit_roles(connection: psycopg.Connection[Any], web_role: str) -> None:
    row = connection.execute(
        "SELECT current_user::text, rolsuper, pg_has_role(oid, current_user, 'MEMBER') FROM pg_roles WHERE rolname = %s", [web_role]
    ).fetchone()
    if row is None:
        raise MigrationError(f"The web role {web_role!r} doesn't exist: create it, or correct GRANTBOOK_DATABASE_URL.")
    owner, is_super, is_member = row
    if owner == web_role:
        raise MigrationError(
            f"The schema's owner and the web role are both {web_role!r}, so nothing would keep history append-only: "
            "name another role in GRANTBOOK_OWNER_DATABASE_URL."
        )
    if is_super or is_member:
        raise MigrationError(
            f"The web role {web_role!r} is a superuser or a member of {owner!r}, so nothing would keep history append-only: "
            "give it a plain role of its own."
        )
