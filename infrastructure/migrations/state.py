"""Where a database stands: which migrations it has had, and whether they are the ones we ship."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg

from infrastructure.database import MIGRATE, connect, with_parameters
from infrastructure.migrations.files import Migration, load_migrations

State = Literal["applied", "pending", "changed", "unknown"]


class MigrationError(Exception):
    """The schema can't be brought up to date; the message says in one sentence why and what to do."""


class NotMigrated(MigrationError):
    """The database waits for migrations."""


@dataclass(frozen=True, slots=True)
class MigrationState:
    """`changed`: its file is not the one that was applied. `unknown`: applied by a newer Grantbook."""

    number: int
    name: str
    state: State
    applied_at: datetime | None


def status(dsn: str, migrations: Sequence[Migration] | None = None) -> list[MigrationState]:
    """Every migration known here or there, by number; works under the owner and the web role."""
    with connect(with_parameters(dsn, application_name=MIGRATE, statement_timeout_ms=10_000)) as connection:
        return compare(connection, load_migrations() if migrations is None else migrations)


def check(dsn: str, migrations: Sequence[Migration] | None = None) -> None:
    """Raise `NotMigrated` if any migration is pending, `MigrationError` if the history differs from the files."""
    states = status(dsn, migrations)
    refuse_foreign_history(states)
    pending = [f"{state.number:04d}_{state.name}" for state in states if state.state == "pending"]
    if pending:
        raise NotMigrated(f"The database lacks {len(pending)} migration(s), next {pending[0]}: run `grantbook migrate`.")


def compare(connection: psycopg.Connection[Any], migrations: Sequence[Migration]) -> list[MigrationState]:
    """`status` over an open connection."""
    applied = _applied(connection)
    states = []
    for migration in migrations:
        row = applied.pop(migration.number, None)
        state: State = "pending" if row is None else "applied" if row[1] == migration.checksum else "changed"
        states.append(MigrationState(migration.number, migration.name, state, row[2] if row else None))
    states += [MigrationState(number, row[0], "unknown", row[2]) for number, row in applied.items()]
    return sorted(states, key=lambda state: state.number)


def refuse_foreign_history(states: Sequence[MigrationState]) -> None:
    """Raise `MigrationError` where the database's history is not the one of these files."""
    for state in states:
        label = f"{state.number:04d}_{state.name}"
        if state.state == "changed":
            raise MigrationError(
                f"Migration {label} was applied from another text than this Grantbook ships: run the version that applied it, "
                "or restore the file; an applied migration is never edited."
            )
        if state.state == "unknown":
            raise MigrationError(f"The database has migration {label} of a newer Grantbook: run that version or a newer one.")


def _applied(connection: psycopg.Connection[Any]) -> dict[int, tuple[str, str, datetime]]:
    exists = connection.execute("SELECT to_regclass('public.schema_migrations') IS NOT NULL").fetchone()
    if exists is None or not exists[0]:
        return {}
    try:
        rows = connection.execute("SELECT number, name, checksum, applied_at FROM public.schema_migrations").fetchall()
    except psycopg.errors.InsufficientPrivilege as error:
        raise NotMigrated("This role may not read the schema's history yet: run `grantbook migrate`.") from error
    return {number: (name, checksum, applied_at) for number, name, checksum, applied_at in rows}
