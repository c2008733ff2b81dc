from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from application import open_account
from application.services import Origin
from domain.tokens import REFRESH
from infrastructure.bootstrap import App, bootstrap
from infrastructure.database import ConnectionLost
from infrastructure.login_keys import LoginKeyLost
from infrastructure.settings import Settings, load_settings
from projections.preparing import prepare
from tests.support.oauth_world import KEYS, PlainPasswords
from tests.support.postgres import Database
from tests.web.cli.conftest import ROOT, clean_environment

NAMES = ("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY")
FACTS: dict[str, Any] = {
    "slug": "acme", "name": "Acme", "admin_email": "a@acme.example", "admin_name": "A", "password": None, "origin": Origin("cli"),
}  # fmt: skip


def settings_for(dsn: str, **more: str) -> Settings:
    return load_settings({"GRANTBOOK_DATABASE_URL": dsn, **dict(zip(NAMES, KEYS, strict=True)), **more})


def composed(database: Database, **more: str) -> App:
    return bootstrap(settings_for(database.web_dsn, **more), passwords=PlainPasswords())


def test_a_process_is_composed_before_the_database_answers() -> None:
    app = bootstrap(settings_for("host=/nowhere dbname=x"))
    found = app.status()
    assert not found.ready
    assert "connection to server on its socket failed" in found.checks["database"]
    assert "/nowhere" not in str(found.as_json()), "everybody who reaches the node reads it"


def test_readiness_names_what_is_missing(empty_database: Database, database: Database) -> None:
    lacking = composed(empty_database)
    assert "grantbook migrate" in lacking.status().checks["migrated"]
    app = composed(database)
    assert app.status().checks == {"database": "ok", "migrated": "ok", "cluster": "ok", "keys": "ok"}
    with psycopg.connect(database.web_dsn, autocommit=True) as connection:
        prepare(connection)
    found = app.status().as_json()
    assert found["ready"]
    assert {"position", "head", "seconds"} <= set(found["lag"])
    app.close()
    lacking.close()


def test_readiness_names_the_transaction_that_stalls_the_order(database: Database) -> None:
    app = composed(database)
    with psycopg.connect(database.web_dsn, autocommit=True) as connection:
        prepare(connection)
    with psycopg.connect(database.web_dsn) as open_one:
        open_one.execute("SELECT pg_current_xact_id()")
        open_one.execute("SELECT pg_sleep(1.2)")
        (stall,) = app.status().stalls
        assert stall["pid"] == open_one.info.backend_pid
        assert stall["age_seconds"] > 1
    app.close()


def test_an_account_without_a_usable_key_is_not_ready(database: Database) -> None:
    app = composed(database)
    open_account.open_account(app.services, **FACTS)
    assert app.status().ready
    with psycopg.connect(database.web_dsn) as connection:
        connection.execute("UPDATE signing_keys SET status = 'retired'")
    other = composed(database)
    assert "keys rotate" in other.status().checks["keys"]
    app.close()
    other.close()


def test_the_directory_finds_the_account_once_it_is_open(database: Database) -> None:
    app = composed(database)
    assert app.directory.account_for("localhost") is None
    opened = open_account.open_account(app.services, **FACTS)
    assert app.directory.account_for("localhost") == str(opened.account.id)
    app.close()


def test_logins_are_keyed_alike_by_all_processes_and_threads_of_a_new_store(database: Database) -> None:
    apps = [composed(database) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(lambda app: app.services.login_key("account", "ada@x.example"), apps))
    assert len(keys) == 1
    assert apps[0].services.login_key("other", "ada@x.example") not in keys
    for app in apps:
        app.close()


def test_the_login_key_stands_wrapped_in_the_store(database: Database) -> None:
    app = composed(database)
    app.services.login_key("account", "x")
    kept = app.services.store.tables().meta("login_key")
    assert kept is not None
    secret: Any = app.services.login_key
    assert secret._key.hex() not in kept
    app.close()
    stranger = bootstrap(replace(app.settings, secret_keys=(b"\x01" * 32,)))
    with pytest.raises(LoginKeyLost, match="GRANTBOOK_SECRET_KEYS"):
        stranger.services.login_key("account", "x")
    stranger.close()


def test_tokens_carry_the_epoch_of_the_store(database: Database) -> None:
    app = composed(database)
    token = app.services.codec.make(REFRESH, UUID(int=1), 1, 2)
    assert app.services.codec.read(token) is not None
    app.services.store.tables().set_meta("epoch", "2")
    restored = composed(database)
    assert restored.services.codec.read(token) is None
    app.close()
    restored.close()


def test_the_views_are_read_only_and_a_lost_connection_is_made_anew(database: Database) -> None:
    app = composed(database)
    with app.views() as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("INSERT INTO store_meta VALUES ('x', 'y')")
        pid = connection.info.backend_pid
    with psycopg.connect(database.superuser_dsn) as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", [pid])
    with pytest.raises(ConnectionLost), app.views() as connection:
        connection.execute("SELECT 1")
    with app.views() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    app.close()


def test_a_composed_process_survives_a_fork(database: Database) -> None:
    code = """
import os, sys
from infrastructure.bootstrap import bootstrap
app = bootstrap()
before = app.services.store.tables().accounts()
child = os.fork()
if child == 0:
    os._exit(0 if app.services.store.tables().accounts() == before and app.services.login_key("a", "b") else 1)
_, status = os.waitpid(child, 0)
assert app.services.store.tables().accounts() == before
sys.exit(os.waitstatus_to_exitcode(status))
"""
    environment = clean_environment(GRANTBOOK_DATABASE_URL=database.web_dsn, **dict(zip(NAMES, KEYS, strict=True)))
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
