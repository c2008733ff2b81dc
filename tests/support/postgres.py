"""Real PostgreSQL for tests: one embedded server per pytest process, a fresh database per test, copied from a migrated template.

Each pytest worker has a server of its own because transaction ids count per server: a transaction that one test holds open
would stall the sequencer of every other test.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infrastructure.database import OWNER_ROLE
from infrastructure.embedded import EmbeddedPostgres
from infrastructure.embedded_cluster import SUPERUSER
from infrastructure.embedded_places import Places
from infrastructure.embedded_server import Server
from infrastructure.migrations import migrate

TEMPLATE = "grantbook_template"

# A test's server may lose everything with the machine, so it needn't wait for the disk.
FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "autovacuum_naptime": "5s"}


@dataclass(frozen=True, slots=True)
class Database:
    """One database of the test server, with the product's three roles."""

    name: str
    owner_dsn: str
    web_dsn: str
    superuser_dsn: str


class TestCluster:
    """The server of this pytest process; `make` copies the migrated template."""

    __test__ = False

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self.postgres = postgres
        self._admin_dsn = postgres.dsn(SUPERUSER, "postgres")
        self._run(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(TEMPLATE), sql.Identifier(OWNER_ROLE)))
        migrate(postgres.dsn(OWNER_ROLE, TEMPLATE))

    def make(self, *, migrated: bool = True) -> Database:
        """A new database: a copy of the template, or an empty one."""
        name = f"test_{secrets.token_hex(6)}"
        template = TEMPLATE if migrated else "template0"
        self._run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template), sql.Identifier(OWNER_ROLE)
            )
        )
        owner, web, superuser = (
            make_conninfo(dsn, dbname=name) for dsn in (self.postgres.owner_dsn, self.postgres.web_dsn, self.postgres.superuser_dsn)
        )
        return Database(name, owner, web, superuser)

    def drop(self, database: Database) -> None:
        """Remove the database, whoever is still connected."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database.name)))

    @contextlib.contextmanager
    def fresh(self, *, migrated: bool = True) -> Iterator[Database]:
        """`make`, and `drop` at the end."""
        database = self.make(migrated=migrated)
        try:
            yield database
        finally:
            self.drop(database)

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._admin_dsn, autocommit=True) as connection:
            connection.execute(statement)


@contextlib.contextmanager
def running_cluster() -> Iterator[TestCluster]:
    """Start a server in a folder of its own, and leave nothing behind; first clear what killed runs left."""
    folder, lock = _claimed_folder()
    try:
        with EmbeddedPostgres(folder, settings=FAST_SETTINGS) as postgres:
            yield TestCluster(postgres)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()


def reachable_temp_dir(name: str) -> Path:
    """A folder below the temporary directory that the server's own user may pass through."""
    folder = Path(tempfile.gettempdir(), f"{name}-{os.geteuid()}")
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    return folder


def _claimed_folder() -> tuple[Path, IO[bytes]]:
    base = reachable_temp_dir("grantbook-tests")
    with (base / "lock").open("wb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        for left_over in base.glob("run-*"):
            _clear_if_abandoned(left_over)
        folder = base / f"run-{secrets.token_hex(6)}"
        folder.mkdir()
        folder.chmod(0o711)
        lock = (folder / "session.lock").open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def _clear_if_abandoned(folder: Path) -> None:
    with contextlib.suppress(OSError), (folder / "session.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        Server(Places(folder).cluster, Places(folder).socket_dir, "").end()
        shutil.rmtree(folder, ignore_errors=True)
