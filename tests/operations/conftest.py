from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from bench.ports import free_ports
from tests.support.oauth_world import KEYS
from tests.support.postgres import Database
from tests.web.cli.conftest import COMMAND, Grantbook, clean_environment

KEY_NAMES = ("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY")
PASSWORD = "correct horse battery staple"
EMAIL = "ada.lovelace@acme.example"


@dataclass
class Node:
    """One server process of a site, as an operator starts it; its output goes to a file."""

    command: Sequence[str]
    environment: dict[str, str]
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / f"node-{self.port}.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, awaited: bool = True) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        for _ in range(600 if awaited else 0):
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)
        assert not awaited, self.log.read_text()[-3000:]

    def signal(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(30)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGINT)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@dataclass
class Site:
    """Settings that all nodes of one database share, and the nodes."""

    database: Database
    folder: Path
    settings: dict[str, str]
    nodes: list[Node] = field(default_factory=list)
    ports: int = field(default_factory=lambda: free_ports(8))

    @property
    def grantbook(self) -> Grantbook:
        return Grantbook(clean_environment(**self.settings), self.folder)

    def node(self, *options: str, **settings: str) -> Node:
        """A web node, with a projector unless told otherwise."""
        port = self.ports + len(self.nodes)
        command = [*COMMAND, "serve", "--host", "127.0.0.1", "--port", str(port), *options]
        made = Node(command, clean_environment(**self.settings, **settings), self.folder, port)
        self.nodes.append(made)
        return made

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


@contextlib.contextmanager
def site_on(database: Database, folder: Path, **settings: str) -> Iterator[Site]:
    """An Enterprise account on this database."""
    given = {"GRANTBOOK_DATABASE_URL": database.web_dsn, "GRANTBOOK_BASE_URL": "http://localhost:18000", "GRANTBOOK_LOG": "json"}
    made = Site(database, folder, given | dict(zip(KEY_NAMES, KEYS, strict=True)) | settings)
    made.grantbook("init", "--account", "acme", "--name", "Acme", "--admin-email", EMAIL, "--password-stdin", stdin=f"{PASSWORD}\n")
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Iterator[Site]:
    with site_on(database, tmp_path) as made:
        yield made
