"""docs/operations.md, Backup and restore: what pg_dump saves is all there in another cluster, and verifies."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import psycopg
import pytest

from infrastructure.embedded import EmbeddedPostgres
from infrastructure.embedded_places import Places
from infrastructure.embedded_user import server_user
from tests.operations.conftest import Site
from tests.support.postgres import Database
from tests.web.cli.conftest import Grantbook, clean_environment

KEYS_TABLES = ("subjects", "subject_keys")


def program(name: str, folder: Path) -> Path:
    """A client program of the wheel."""
    return Places(folder).programs(server_user(None)) / name


def run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def caught_up(site: Site) -> None:
    """Run a node with a projector until the views hold everything."""
    node = site.node("--workers", "1")
    node.start()
    for _ in range(200):
        lag = httpx.get(f"{node.url}/readyz").json()["lag"]
        if lag["head"] > 5 and lag["position"] == lag["head"]:
            break
        time.sleep(0.1)
    node.stop()


def test_a_dump_is_restored_into_another_cluster_and_verifies_there(site: Site, embedded_folder: Path) -> None:
    site.grantbook("project", "add", "Sales")
    site.grantbook("client", "add", "--name", "Tool", "--redirect-uri", "https://app.example/cb", "--scope", "account:read")
    caught_up(site)
    before = site.grantbook("ledger", "verify")
    assert before["findings"] == []
    events, keys = site.folder / "events.dump", site.folder / "keys.dump"
    apart = [f"--exclude-table-data=public.{name}" for name in KEYS_TABLES]
    dump = program("pg_dump", embedded_folder)
    run([dump, "--format=custom", f"--file={events}", *apart, f"--dbname={site.database.superuser_dsn}"])
    run(
        [
            dump,
            "--format=custom",
            f"--file={keys}",
            "--data-only",
            *(f"--table=public.{n}" for n in KEYS_TABLES),
            f"--dbname={site.database.superuser_dsn}",
        ]
    )

    with EmbeddedPostgres(embedded_folder / "data") as other:
        restore = program("pg_restore", embedded_folder)
        for file in (events, keys):
            run([restore, "--exit-on-error", "--single-transaction", f"--dbname={other.superuser_dsn}", file])
        restored = Site(Database("grantbook", other.owner_dsn, other.web_dsn, other.superuser_dsn), site.folder, site.settings)
        restored.settings = site.settings | {"GRANTBOOK_DATABASE_URL": other.web_dsn}
        after = restored.grantbook("ledger", "verify")
        assert after == before
        assert restored.grantbook("projections", "verify")["differences"] == []
        assert [m["email"] for m in restored.grantbook("member", "list")] == ["ada.lovelace@acme.example"]
        appends_stay_forbidden(other.web_dsn)
        refuses_to_order(restored)


def appends_stay_forbidden(web_dsn: str) -> None:
    """Roles, grants and triggers came along."""
    for statement in ("DELETE FROM events", "UPDATE positions SET position = 0", "TRUNCATE events"):
        with psycopg.connect(web_dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def refuses_to_order(restored: Site) -> None:
    """The other cluster's transaction ids mean nothing here: no order is made up, and /readyz says what it waits for."""
    node = restored.node("--workers", "1")
    node.start(awaited=False)
    try:
        assert node.process is not None
        answered = None
        while answered is None:
            assert node.process.poll() is None, node.log.read_text()[-3000:]
            with contextlib.suppress(httpx.HTTPError):
                answered = httpx.get(f"{node.url}/readyz", timeout=5)
            with contextlib.suppress(subprocess.TimeoutExpired):
                node.process.wait(0.1)
        assert answered.status_code == 503
        said = answered.json()["checks"]["cluster"]
        assert "restored into another cluster" in said
        assert "ledger adopt" in said
    finally:
        node.stop()


def test_the_embedded_store_is_its_data_directory(embedded_folder: Path) -> None:
    """Stopped, copied, started elsewhere: keys and database together."""
    first, second = embedded_folder / "one", embedded_folder / "two"
    environment = clean_environment()
    grantbook = Grantbook(environment, embedded_folder)
    facts = ("--account", "acme", "--name", "Acme", "--admin-email", "ada@acme.example", "--data-dir", str(first), "--password-stdin")
    grantbook("init", *facts, stdin="correct horse battery\n")
    run(["cp", "-a", str(first), str(second)])
    assert [m["email"] for m in grantbook("member", "list", "--data-dir", str(second))] == ["ada@acme.example"]


def test_a_node_that_is_killed_leaves_nothing_that_stops_the_next(site: Site) -> None:
    node = site.node("--no-projector", "--workers", "1")
    node.start()
    node.signal(signal.SIGKILL)
    node.wait()
    again = site.node("--no-projector", "--workers", "1")
    again.start()
    assert httpx.get(f"{again.url}/readyz").json()["ready"]
