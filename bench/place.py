"""A server as in production in a folder of its own: embedded PostgreSQL, two web workers, gateway and projector."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psycopg

from bench.ports import free_ports
from infrastructure.bootstrap import App, bootstrap
from infrastructure.database import connect
from infrastructure.embedded import EmbeddedPostgres
from infrastructure.settings import Settings, child_environment, load_settings
from web.cli.store import prepare_schema

HOME = Path(__file__).resolve().parents[1]
_STARTS_WITHIN_S = 60.0
_ENDS_WITHIN_S = 15.0
_WEB_LOG = "serve.log"


@dataclass
class Place:
    """Where the server of a benchmark lies and how it is set. `given` are further settings by their names."""

    folder: Path
    port: int
    workers: int = 2
    threads: int = 8
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def environment(self) -> dict[str, str]:
        """What the server and its commands are started with. Limits are on, but far up."""
        wanted = {
            "GRANTBOOK_DATA_DIR": str(self.data_dir),
            "GRANTBOOK_BASE_URL": self.base_url,
            "GRANTBOOK_PORT": str(self.port),
            "GRANTBOOK_GATEWAY_PORT": str(self.port + 1),
            "GRANTBOOK_WORKERS": str(self.workers),
            "GRANTBOOK_THREADS": str(self.threads),
            "GRANTBOOK_LOG": "json",
            "GRANTBOOK_REGISTRATION_LIMIT_PER_ADDRESS": "1000000",
            "PYTHONPATH": str(HOME),
        }
        environment = {name: value for name, value in child_environment({}).items() if not name.startswith("GRANTBOOK_")}
        return {**environment, **wanted, **self.given}

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.environment(), cwd=self.folder)

    @cached_property
    def postgres(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.data_dir)

    @contextlib.contextmanager
    def database(self) -> Iterator[None]:
        """PostgreSQL as embedded mode starts it, the schema up to date."""
        settings = self.settings  # makes the root keys of a new data directory
        with self.postgres:
            prepare_schema(settings, migrate=True)
            yield

    @contextlib.contextmanager
    def served(self) -> Iterator[int]:
        """`grantbook serve`; its process id. The database must be running."""
        command = [sys.executable, "-c", "from web.cli import main; main()", "serve"]
        with (self.folder / _WEB_LOG).open("ab") as log:
            server = subprocess.Popen(
                command, env=self.environment(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._await_answer(server)
            yield server.pid
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()

    @contextlib.contextmanager
    def app(self) -> Iterator[App]:
        """The product's own code on this database. Seeding need not wait for the disk; the server's connections do."""
        app = bootstrap(self.settings, dsn=f"{self.postgres.web_dsn} options='-c synchronous_commit=off'")
        try:
            yield app
        finally:
            app.close()

    def superuser(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection for counters and checkpoints."""
        return connect(self.postgres.superuser_dsn)

    def postmaster(self) -> Path:
        """The server's own pid file."""
        with self.superuser() as connection:
            row = connection.execute("SHOW data_directory").fetchone()
        assert row is not None
        return Path(str(row[0])) / "postmaster.pid"

    def _await_answer(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while time.monotonic() < deadline and server.poll() is None:
            with contextlib.suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
                connection.request("GET", "/healthz")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    return
            time.sleep(0.1)
        raise SystemExit(f"The server didn't start; its last words:\n{_last_words(self.folder / _WEB_LOG)}")


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that the database's own user may pass through; gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="grantbook-bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port on 127.0.0.1 that is free, and the next one too (the gateway's)."""
    return free_ports(2)


def _last_words(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
