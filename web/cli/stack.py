"""Everything that `serve` and `demo` run: which processes, checked before anything starts, watched until the end."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infrastructure.bootstrap import web_dsn
from infrastructure.embedded import EmbeddedPostgres
from infrastructure.metrics_server import metrics_served
from infrastructure.ports_in_use import PortInUse, check_port
from infrastructure.run_folder import VARIABLE, RunFolder
from infrastructure.run_lock import RunLock
from infrastructure.settings import Settings, child_environment
from infrastructure.supervisor import ChildPlan, Supervisor, open_log
from web.cli.store import prepare_schema

_LEFT_OVERS_END_WITHIN_S = 8.0
_FIRST_ANSWER_S = 60.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where to reach a server that listens everywhere


@dataclass
class Stack:
    """The processes of one server. `overrides` are the settings that its children get beside the environment."""

    settings: Settings
    overrides: Mapping[str, str]
    projector: bool = True
    log_file: Path | None = None
    folder: RunFolder | None = None

    def child(self, name: str, module: str, *arguments: str) -> ChildPlan:
        """A Python module as a child process, with our packages importable from wherever it was started."""
        home = str(Path(__file__).resolve().parents[2])
        environment = child_environment({**self.overrides, VARIABLE: str(self.folder.path)} if self.folder else self.overrides)
        environment["PYTHONPATH"] = os.pathsep.join(part for part in (home, environment.get("PYTHONPATH", "")) if part)
        return ChildPlan(name, [sys.executable, "-m", module, *arguments], environment)

    @contextlib.contextmanager
    def held(self, *, migrate: bool) -> Iterator[None]:
        """Ports checked, the data directory ours alone, the database running and its schema as it must be."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        with RunFolder.made() as folder, self._database(migrate=migrate), metrics_served(self.settings, folder, lambda: web_dsn(self.settings)):
            self.folder = folder
            yield

    @contextlib.contextmanager
    def _database(self, *, migrate: bool) -> Iterator[None]:
        if not self.settings.embedded:
            self._check_ports(patience_s=0)
            prepare_schema(self.settings, migrate=migrate, serving=True)
            yield
            return
        with RunLock(self.settings.data_dir, {"url": self.settings.base_url}) as lock:
            self._check_ports(patience_s=_LEFT_OVERS_END_WITHIN_S if lock.left_over else 0)
            with EmbeddedPostgres(self.settings.data_dir):
                prepare_schema(self.settings, migrate=migrate, serving=True)
                yield

    def run(self, ready: Callable[[], None], prepare: Callable[[], Sequence[ChildPlan]] = tuple) -> bool:
        """Start everything, call `ready` once all of it answers, and watch until the end is wanted. False: something never answered.

        `prepare` fills the store while the web server starts, and names further children. What people see first starts first.
        """
        output = open_log(self.log_file) if self.log_file else None
        supervisor = Supervisor(output)
        supervisor.catch_signals()
        try:
            supervisor.start(*(self._kind(kind) for kind in ("web", *(["projector"] if self.projector else []))))
            later = [*prepare(), *([self._kind("gateway")] if self.settings.gateway_port else [])]
            answered = self._await(supervisor, self.settings.port)
            supervisor.start(*later)
            answered = answered and (not self.settings.gateway_port or self._await(supervisor, self.settings.gateway_port))
            if answered:
                ready()
                supervisor.run()
                self._drain(supervisor)
            return answered or supervisor.wanted_to_end
        finally:
            supervisor.end()
            if output is not None:
                output.close()

    def _drain(self, supervisor: Supervisor) -> None:
        """Still serve everything for a moment, while /readyz sends the load balancer elsewhere."""
        if supervisor.may_drain and self.settings.drain_seconds and self.folder:
            self.folder.drain()
            supervisor.run_on(self.settings.drain_seconds)

    def _kind(self, kind: str) -> ChildPlan:
        return self.child(kind, "web.cli.child", kind, str(os.getpid()))

    def _await(self, supervisor: Supervisor, port: int) -> bool:
        host = _ANY.get(self.settings.host, self.settings.host)
        return supervisor.wait_until(lambda: _healthy(host, port), _FIRST_ANSWER_S)

    def _check_ports(self, *, patience_s: float) -> None:
        """What a killed server left behind ends by itself within seconds; anybody else's port is refused at once."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                check_port(self.settings.host, self.settings.port, "--port")
                if self.settings.gateway_port:
                    check_port(self.settings.host, self.settings.gateway_port, "GRANTBOOK_GATEWAY_PORT")
            except PortInUse:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return


def _healthy(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
