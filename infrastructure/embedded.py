"""The embedded PostgreSQL: one private server per data directory, started by whoever needs it first, ended by the last."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from psycopg.conninfo import make_conninfo

from infrastructure.data_dir import EmbeddedError, make_data_dir
from infrastructure.database import OWNER_ROLE, WEB_ROLE
from infrastructure.embedded_cluster import SUPERUSER, prepare_cluster
from infrastructure.embedded_places import STATE_DIR, Places
from infrastructure.embedded_server import Server, make_roles
from infrastructure.embedded_user import server_user

__all__ = ["DATABASE", "EmbeddedError", "EmbeddedPostgres", "running"]

DATABASE = "grantbook"
_LOCK_PATIENCE_S = 330.0


class EmbeddedPostgres:
    """The server of `data_dir`; `settings` override its configuration, `state_dir` is where root keeps what can't lie there.

    The strings are valid after `start`, in this process and in its children.
    """

    def __init__(self, data_dir: Path | str, *, settings: Mapping[str, str] | None = None, state_dir: Path = STATE_DIR) -> None:
        self._places = Places(Path(data_dir), state_dir)
        self._settings = dict(settings or {})
        self._use: int | None = None
        self._server: Server | None = None

    @property
    def owner_dsn(self) -> str:
        """Owns the tables, for migrations only; no superuser."""
        return self.dsn(OWNER_ROLE)

    @property
    def web_dsn(self) -> str:
        """Serves requests: reads and appends."""
        return self.dsn(WEB_ROLE)

    @property
    def superuser_dsn(self) -> str:
        """For tests, benchmarks and repair by hand."""
        return self.dsn(SUPERUSER)

    def dsn(self, role: str, database: str = DATABASE) -> str:
        """The libpq string of `role` on the server's socket; peer authentication, so no password."""
        return make_conninfo(host=str(self._places.socket_dir), port=5432, dbname=database, user=role)

    def start(self) -> None:
        """Start the server, or find the one that runs, and count ourselves among its users; does nothing the second time.

        Raises `EmbeddedError`. A server that has died since is started again.
        """
        make_data_dir(self._places.data_dir)
        with self._turn():
            if self._use is None:
                self._use = _opened(self._places.users_lock)
                fcntl.flock(self._use, fcntl.LOCK_SH)
            try:
                self._start_or_attach()
            except BaseException:
                self._forget()
                raise

    def stop(self) -> None:
        """Cease to use the server; the last user ends it. Does nothing if not started."""
        if self._use is None:
            return
        with self._turn():
            try:
                fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._server is not None:
                    self._server.leave()
                self._forget()
                return
            if self._server is not None:
                self._server.end()
                self._places.clear_socket_dir()
            self._forget()

    def erase(self) -> None:
        """Remove database and root keys for good, wherever they lie; raises `EmbeddedError` while anyone uses them."""
        make_data_dir(self._places.data_dir)
        with self._turn():
            use = _opened(self._places.users_lock)
            try:
                if not _locked(use):
                    raise EmbeddedError(f"The database of {self._places.data_dir} is in use: end the Grantbook that runs there first.")
                self._known_server().end()
                self._places.erase()
            finally:
                os.close(use)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_or_attach(self) -> None:
        self._server = self._server or self._known_server()
        if self._places.cluster.exists() and self._server.settle():
            self._make_roles()
            return
        user = server_user(self._places.cluster)
        self._places.choose_home(user)
        programs = self._places.programs(user)
        prepare_cluster(self._places, programs, user)
        self._server.end()
        self._places.prepare_socket_dir(user)
        self._server = self._known_server()
        self._server.launch(programs, user, self._places.start_log, self._settings)
        self._make_roles()

    def _known_server(self) -> Server:
        return Server(self._places.cluster, self._places.socket_dir, self.dsn(SUPERUSER, "postgres"))

    def _make_roles(self) -> None:
        make_roles(self.dsn(SUPERUSER, "postgres"), OWNER_ROLE, WEB_ROLE, DATABASE)

    def _forget(self) -> None:
        self._server = None
        if self._use is not None:
            os.close(self._use)
            self._use = None

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One process at a time starts or ends the server; the kernel drops the lock of a process that dies."""
        lock = _opened(self._places.start_lock)
        try:
            deadline = time.monotonic() + _LOCK_PATIENCE_S
            while not _locked(lock):
                if time.monotonic() > deadline:
                    raise EmbeddedError(f"Another Grantbook holds {self._places.start_lock}: end it, then try again.")
                time.sleep(0.02)
            yield
        finally:
            os.close(lock)


@contextlib.contextmanager
def running(data_dir: Path | str) -> Iterator[EmbeddedPostgres]:
    """The server of `data_dir` for one command: the one that runs, or one started for it and ended after it."""
    with EmbeddedPostgres(data_dir) as postgres:
        yield postgres


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EmbeddedError(
            f"{path} can't be opened ({error.strerror}): run Grantbook as the user that made it, or name another data directory."
        ) from error


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
