"""Real PostgreSQL for tests: one embedded server per pytest process, in memory where there is room, a fresh database per test, copied from a
template.

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

MIGRATED, EMPTY = "grantbook_template", "template0"
"""What a database may be a copy of."""

# A test's server may lose everything with the machine, so it needn't wait for the disk.
FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "max_wal_size": "256MB", "autovacuum": "off"}
"""An autovacuum's transaction would hold up the order for a moment, in every database of the server."""
_MEMORY, _MEMORY_NEEDED = Path("/dev/shm"), 4 * 2**30
"""A copy of a database is 425 files: to make them takes a disk's file system three times the processor's time, and it writes them out later."""


@dataclass(frozen=True, slots=True)
class Database:
    """One database of the test server, with the product's three roles."""

    name: str
    owner_dsn: str
    web_dsn: str
    superuser_dsn: str


class TestCluster:
    """The server of this pytest process; `make` copies one of its templates."""

    __test__ = False

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self.postgres = postgres
        self._admin_dsn = postgres.dsn(SUPERUSER, "postgres")
        self._copy(EMPTY, MIGRATED)
        migrate(postgres.dsn(OWNER_ROLE, MIGRATED))

    def make(self, template: str = MIGRATED) -> Database:
        """A new database: a copy of the template."""
        name = f"test_{secrets.token_hex(6)}"
        self._copy(template, name)
        owner, web, superuser = (
            make_conninfo(dsn, dbname=name) for dsn in (self.postgres.owner_dsn, self.postgres.web_dsn, self.postgres.superuser_dsn)
        )
        return Database(name, owner, web, superuser)

    def drop(self, database: Database) -> None:
        """Remove the database, whoever is still connected."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database.name)))

    @contextlib.contextmanager
    def fresh(self, template: str = MIGRATED) -> Iterator[Database]:
        """`make`, and `drop` at the end."""
        database = self.make(template)
        try:
            yield database
        finally:
            self.drop(database)

    def _copy(self, template: str, name: str) -> None:
        facts = (sql.Identifier(word) for word in (name, template, OWNER_ROLE))
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY FILE_COPY").format(*facts))

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
    """A folder in memory or below the temporary directory that the server's own user may pass through."""
    folder = _temp_dir() / f"{name}-{os.geteuid()}"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    return folder


def _temp_dir() -> Path:
    with contextlib.suppress(OSError):
        if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _MEMORY_NEEDED:
            return _MEMORY
    return Path(tempfile.gettempdir())


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
