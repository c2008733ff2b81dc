"""The migration runner, and what the schema itself guards."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from infrastructure.migrations import Migration, MigrationError, MigrationFileError, NotMigrated, check, load_migrations, migrate, status
from tests.support.postgres import Database

_APPEND = "INSERT INTO events (originator_id, originator_version, topic, state, account_id) VALUES (%s, 1, 'grant.revoked', '{}', %s)"

_NEXT = len(load_migrations()) + 1


def _connect(dsn: str) -> psycopg.Connection[Any]:
    return psycopg.connect(dsn, autocommit=True)


def test_a_migrated_database_passes_the_check_of_the_web_role(database: Database) -> None:
    check(database.web_dsn)
    assert {state.state for state in status(database.web_dsn)} == {"applied"}


def test_an_empty_database_is_refused_until_it_is_migrated(empty_database: Database) -> None:
    with pytest.raises(NotMigrated, match="run `grantbook migrate`"):
        check(empty_database.web_dsn)
    assert {state.state for state in status(empty_database.owner_dsn)} == {"pending"}
    migrate(empty_database.owner_dsn)
    check(empty_database.web_dsn)


def test_migrating_twice_changes_nothing(database: Database) -> None:
    before = status(database.owner_dsn)
    assert migrate(database.owner_dsn) == before


def test_four_runners_at_once_apply_each_migration_once(empty_database: Database) -> None:
    failures: list[Exception] = []

    def run() -> None:
        try:
            migrate(empty_database.owner_dsn)
        except Exception as error:  # noqa: BLE001  # whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    check(empty_database.web_dsn)


def test_a_changed_file_is_refused(database: Database) -> None:
    first, *others = load_migrations()
    changed = [Migration(first.number, first.name, first.sql + "\n-- edited"), *others]
    with pytest.raises(MigrationError, match="0001_event_store was applied from another text"):
        check(database.web_dsn, changed)
    with pytest.raises(MigrationError, match="never edited"):
        migrate(database.owner_dsn, migrations=changed)


def test_a_database_of_a_newer_grantbook_is_refused(database: Database) -> None:
    with pytest.raises(MigrationError, match="of a newer Grantbook"):
        migrate(database.owner_dsn, migrations=load_migrations()[:1])


def test_a_failing_migration_changes_nothing_and_names_itself(database: Database) -> None:
    broken = [*load_migrations(), Migration(_NEXT, "broken", "CREATE TABLE half_done (id int); SELECT 1 / 0;")]
    with pytest.raises(MigrationError, match=f"{_NEXT:04d}_broken failed and changed nothing: division by zero"):
        migrate(database.owner_dsn, migrations=broken)
    with _connect(database.owner_dsn) as connection:
        assert connection.execute("SELECT to_regclass('half_done')").fetchone() == (None,)
    check(database.web_dsn)


def test_a_migration_gives_up_on_a_lock_that_another_holds(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infrastructure.migrations.runner._LOCK_TIMEOUT", "50ms")
    waiting = [*load_migrations(), Migration(_NEXT, "waiting", "ALTER TABLE accounts ADD COLUMN extra text;")]
    with psycopg.connect(database.web_dsn) as holder:
        holder.execute("SELECT * FROM accounts")
        with pytest.raises(MigrationError, match="for a lock and changed nothing"):
            migrate(database.owner_dsn, migrations=waiting)
    migrate(database.owner_dsn, migrations=waiting)


def test_the_owner_may_not_be_the_web_role(empty_database: Database) -> None:
    with pytest.raises(MigrationError, match="GRANTBOOK_OWNER_DATABASE_URL"):
        migrate(empty_database.owner_dsn, web_role="grantbook_owner")


def test_a_web_role_that_could_rewrite_history_is_refused(empty_database: Database) -> None:
    with pytest.raises(MigrationError, match="superuser"):
        migrate(empty_database.owner_dsn, web_role="postgres")
    with pytest.raises(MigrationError, match="doesn't exist"):
        migrate(empty_database.owner_dsn, web_role="nobody there")


def test_a_web_role_with_an_odd_name_is_quoted(empty_database: Database) -> None:
    role = 'we"b {{x}} ünï'
    with _connect(empty_database.superuser_dsn) as connection:
        connection.execute('CREATE ROLE "we""b {{x}} ünï" LOGIN')
    try:
        migrate(empty_database.owner_dsn, web_role=role)
        with _connect(empty_database.superuser_dsn) as connection:
            assert connection.execute("SELECT has_table_privilege(%s, 'events', 'SELECT')", [role]).fetchone() == (True,)
    finally:
        with _connect(empty_database.superuser_dsn) as connection:
            connection.execute('DROP OWNED BY "we""b {{x}} ünï"')
            connection.execute('DROP ROLE "we""b {{x}} ünï"')


def test_numbers_with_a_gap_are_refused(tmp_path: Path) -> None:
    for name in ("0001_one.sql", "0003_three.sql", "notes.txt"):
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(MigrationFileError, match=r"\[1, 3\]"):
        load_migrations(tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET topic = 'grant.given'",
        "DELETE FROM events",
        "TRUNCATE events",
        "UPDATE positions SET leaf_hash = leaf_hash",
        "DELETE FROM positions",
        "TRUNCATE positions",
        "INSERT INTO events (originator_id, originator_version, topic, state, account_id) SELECT originator_id, originator_version, "
        "topic, state, account_id FROM events ON CONFLICT (originator_id, originator_version) DO UPDATE SET topic = 'x'",
    ],
)
def test_history_is_append_only_even_for_a_superuser_in_replica_mode(database: Database, statement: LiteralString) -> None:
    with _connect(database.web_dsn) as connection:
        connection.execute(_APPEND, [uuid.uuid4(), uuid.uuid4()])
    with _connect(database.superuser_dsn) as connection:
        connection.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="history is append-only"):
            connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO events (originator_id, originator_version, topic, state, account_id, xid) "
        "VALUES (gen_random_uuid(), 1, 't', '', gen_random_uuid(), '1')",
        "INSERT INTO events (originator_id, originator_version, topic, state, account_id, notification_id) OVERRIDING SYSTEM VALUE "
        "VALUES (gen_random_uuid(), 1, 't', '', gen_random_uuid(), 1)",
        "UPDATE events SET topic = 't'",
        "DELETE FROM events",
        "TRUNCATE events",
        "DELETE FROM positions",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "CREATE TABLE public.mine (id int)",
        "UPDATE snapshots SET state = ''",
        "INSERT INTO schema_migrations (number, name, checksum) VALUES (9, 'x', 'x')",
        "DROP TABLE accounts",
    ],
)
def test_the_web_role_may_not(database: Database, statement: LiteralString) -> None:
    with _connect(database.web_dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_the_web_role_may_make_and_drop_projection_tables(database: Database) -> None:
    with _connect(database.web_dsn) as connection:
        connection.execute("CREATE TABLE views.integrations_1 (id uuid PRIMARY KEY)")
        connection.execute("DROP TABLE views.integrations_1")


def test_a_topic_with_a_newline_is_refused(database: Database) -> None:
    with _connect(database.web_dsn) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "INSERT INTO events (originator_id, originator_version, topic, state, account_id) VALUES (%s, 1, %s, '', %s)",
            [uuid.uuid4(), "grant.revoked\nx", uuid.uuid4()],
        )


def test_the_web_role_sees_the_snapshots_of_other_roles_backends(database: Database) -> None:
    with psycopg.connect(database.owner_dsn) as other, _connect(database.web_dsn) as connection:
        other.execute("SELECT pg_current_xact_id()")
        row = connection.execute("SELECT xact_start IS NOT NULL FROM pg_stat_activity WHERE pid = %s", [other.info.backend_pid])
        assert row.fetchone() == (True,)
