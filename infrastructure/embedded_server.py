"""Starts, finds and ends the embedded PostgreSQL's server process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import psycopg
from psycopg import pq, sql

from infrastructure.data_dir import EmbeddedError
from infrastructure.database import first_line
from infrastructure.embedded_user import ServerUser

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_connections": "200",
    "max_logical_replication_workers": "0",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgres-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_size": "0",
    "log_checkpoints": "off",
    # Statements and the values of violated keys stay out of the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}

_SOCKET = ".s.PGSQL.5432"
_PATIENCE_S = 300.0
_STOP_PATIENCE_S = 30.0
_SOCKET_PATIENCE_S = 2.0  # a server that starts has its socket at once


class Server:
    """The server process of one cluster; knows it by the postmaster's own pid file, whoever started it."""

    def __init__(self, cluster: Path, socket_dir: Path, superuser_dsn: str) -> None:
        self.cluster = cluster
        self._socket_dir = socket_dir
        self._dsn = superuser_dsn
        self._child: subprocess.Popen[bytes] | None = None

    def answers(self) -> bool:
        """Whether a server takes connections on the socket; one that is full does, one that recovers or ends doesn't."""
        return pq.PGconn.ping(self._dsn.encode()) == pq.Ping.OK

    def launch(self, programs: Path, user: ServerUser, log: Path, settings: Mapping[str, str]) -> None:
        """Start the server and return once it takes connections; raise `EmbeddedError` with its own reason."""
        self._clear_leftovers()
        arguments = [f"--{name}={value}" for name, value in {**SETTINGS, **settings}.items()]
        command: list[str | Path] = [programs / "postgres", "-D", self.cluster, "-k", self._socket_dir, *arguments]
        with _anew(log) as out:
            self._child = user.launch(command, out)
        if not self._await(lambda: self.answers() or not self.running, _PATIENCE_S) or not self.running:
            self.end()
            raise EmbeddedError(self._reason(log))

    def settle(self) -> bool:
        """Whether a server that is starting or ending came to answer; False once none is left."""
        if not self.running:
            return False
        if not self._await(lambda: self.answers() or not self.running, _SOCKET_PATIENCE_S) and (self._socket_dir / _SOCKET).exists():
            self._await(lambda: self.answers() or not self.running, _STOP_PATIENCE_S)
        return self.answers()

    def end(self) -> None:
        """Fast shutdown: sessions are cut off, nothing that was committed is lost."""
        pid = self._pid()
        for order in (signal.SIGINT, signal.SIGQUIT):
            if pid is None or not self.running:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, order)
            self._await(lambda: not self.running, _STOP_PATIENCE_S)
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout=_STOP_PATIENCE_S)
            self._child = None

    def leave(self) -> None:
        """Let the server outlive us: others use it and the last of them ends it."""
        if self._child is not None:
            self._child.returncode = 0  # Popen warns of a child that it thinks forgotten
            self._child = None

    @property
    def running(self) -> bool:
        """Whether the postmaster's process exists, answering or not."""
        if self._child is not None and self._child.poll() is not None:
            return False
        pid = self._pid()
        return pid is not None and self._is_ours(pid)

    def _pid(self) -> int | None:
        if self._child is not None and self._child.poll() is None:
            return self._child.pid
        try:
            return int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def _is_ours(self, pid: int) -> bool:
        """Pids come round again, in containers above all: only a process that stands in the cluster's folder is its server."""
        if pid <= 0:
            return False
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        process = Path("/proc", str(pid))
        if (self._child is not None and self._child.pid == pid) or not Path("/proc/self/cwd").exists():
            return True
        try:
            return (process / "cwd").samefile(self.cluster)
        except OSError:
            return False

    def _clear_leftovers(self) -> None:
        """No server of ours lives: what a killed one left behind would only mislead the next."""
        for file in (self.cluster / "postmaster.pid", self._socket_dir / f"{_SOCKET}.lock", self._socket_dir / _SOCKET):
            file.unlink(missing_ok=True)

    def _reason(self, log: Path) -> str:
        lines = log.read_text(errors="replace").splitlines()
        for file in sorted((self.cluster / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)[-1:]:
            lines += file.read_text(errors="replace").splitlines()[-20:]
        fatal = [line.split(": ", 1)[-1].strip() for line in lines if "FATAL" in line or "PANIC" in line or "rror" in line]
        said = (fatal or [line for line in lines if line.strip()] or ["it said nothing"])[-1]
        return f"The embedded PostgreSQL didn't start: {said} (more in {log} and {self.cluster / 'log'})."

    def _await(self, done: Callable[[], bool], patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        while not done():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def make_roles(superuser_dsn: str, owner: str, web: str, database: str) -> None:
    """Owner and web role and the database, each made only where it is missing."""
    try:
        with psycopg.connect(superuser_dsn, autocommit=True) as connection:
            have = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [[owner, web]])}
            for role in (owner, web):
                if role not in have:
                    connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            # The revocation barrier and /readyz read the snapshots of every backend.
            connection.execute(sql.SQL("GRANT pg_read_all_stats TO {}").format(sql.Identifier(web)))
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(owner)))
    except psycopg.Error as error:
        raise EmbeddedError(f"The embedded PostgreSQL can't be set up: {first_line(error)}") from error


def _anew(log: Path) -> IO[bytes]:
    """The log of a start, begun anew and readable by us alone, also where an earlier release left one that others could read."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb")
