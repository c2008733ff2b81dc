"""A running demo for the tests that drive it from outside: started as a user starts it, described by its own demo.json."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.ports import free_ports
from tests.support import command

ROOT = Path(__file__).resolve().parents[2]
CLI = [sys.executable, "-c", "from web.cli import main; main()"]
START_SECONDS = 90


@dataclass
class Demo:
    """The demo process and what it wrote about itself."""

    data_dir: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        return str(self.facts["base_url"])

    @property
    def issuer(self) -> str:
        return str(self.facts["issuer"])

    @property
    def mcp_url(self) -> str:
        return str(self.facts["mcp_url"])

    def user(self, name: str) -> tuple[str, str]:
        """E-mail and password of `admin`, `viewer`, `analyst`, `developer` or `operator`."""
        found = next(u for u in self.facts["users"] if u["email"] == f"{name}@jaffle.example")
        return found["email"], found["password"]

    def project(self, name: str) -> str:
        """The id of a project."""
        return str(next(p["id"] for p in self.facts["projects"] if p["name"] == name))

    def start(self, *options: str) -> None:
        starting = [*CLI, "demo", "--port", str(self.port), "--data-dir", str(self.data_dir), *options]
        with (self.data_dir.parent / "demo.log").open("ab") as log:
            self.process = subprocess.Popen(starting, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the demo ended: {self.tail()}")
            if self._answers():
                return
            time.sleep(0.2)
        raise RuntimeError(f"the demo did not start: {self.tail()}")

    def _answers(self) -> bool:
        try:
            self.facts = json.loads((self.data_dir / "demo.json").read_text())
            ready = httpx.get(f"{self.base_url}/readyz", timeout=2)
            gateway = httpx.post(self.mcp_url, json={}, timeout=2)
        except (OSError, ValueError, httpx.HTTPError):
            return False
        return ready.status_code == 200 and gateway.status_code == 401

    def tail(self) -> str:
        return (self.data_dir.parent / "demo.log").read_text(errors="replace")[-3000:]

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """kill -9 of the demo's main process; its children have to notice by themselves."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def web_workers(self) -> list[int]:
        """The processes that serve the web port now; one that is only starting is none."""
        assert self.process is not None
        below = psutil.Process(self.process.pid).children(recursive=True)
        parents, found = {ppid for child in below if (ppid := _parent(child))}, []
        for child in below:
            with contextlib.suppress(psutil.Error):
                if child.pid not in parents and any(c.laddr.port == self.port for c in child.net_connections("tcp") if c.status == "LISTEN"):
                    found.append(child.pid)
        return found

    def cli(self, *arguments: str) -> Any:
        """Run a command of ours on the demo's data and read its `--json` answer."""
        environment = {**os.environ, "GRANTBOOK_DATA_DIR": str(self.data_dir)}
        done = command.grantbook((*arguments, "--json"), environment=environment, folder=ROOT)
        assert done.returncode == 0, done.stderr or done.stdout
        return json.loads(done.stdout)

    def end_sessions_of(self, client_id: str) -> None:
        """Revoke every live session of a client, as an admin at the command line."""
        sessions = [s for s in self.cli("session", "list") if s["client_id"] == client_id and s["status"] == "active"]
        assert sessions
        for session in sessions:
            self.cli("session", "revoke", session["grant_id"])


def _parent(process: psutil.Process) -> int:
    """Its parent's id; 0 once it has ended."""
    try:
        return int(process.ppid())
    except psutil.Error:
        return 0


@contextlib.contextmanager
def running_demo(folder: Path) -> Iterator[Demo]:
    """A demo with fresh data on ports of its own."""
    demo = Demo(folder / "data", free_ports(3))
    try:
        demo.start()
        yield demo
    finally:
        demo.stop()
