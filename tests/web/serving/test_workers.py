"""The web child as the supervisor starts it, with its worker processes, on a real store."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.operations.conftest import KEY_NAMES
from tests.support.demo import ROOT, free_ports
from tests.support.oauth_world import KEYS
from tests.support.postgres import Database
from tests.web.cli.conftest import clean_environment


class Served:
    """A web child and the port that it serves."""

    def __init__(self, dsn: str, folder: Path, module: tuple[str, ...] = ("-m", "web.cli.child"), **settings: str) -> None:
        self.port, self.log = free_ports(1), folder / "log"
        settings = {"GRANTBOOK_PORT": str(self.port), **settings}
        given = {"GRANTBOOK_DATABASE_URL": dsn, "GRANTBOOK_BASE_URL": "http://localhost:18000", "GRANTBOOK_LOG": "json"}
        environment = clean_environment(**given, PYTHONPATH=str(ROOT), **dict(zip(KEY_NAMES, KEYS, strict=True)), **settings)
        with self.log.open("wb") as log:
            command = [sys.executable, *module, "web", str(os.getpid())]
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stderr=log, start_new_session=True)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def answers(self, host: str = "127.0.0.1") -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(self.url("/healthz", host), timeout=60).status_code == 200
        return False

    def workers(self) -> list[psutil.Process]:
        return [p for p in psutil.Process(self.process.pid).children() if lives(p)]

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 200
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def serving(dsn: str, folder: Path, module: tuple[str, ...] = ("-m", "web.cli.child"), **settings: str) -> Iterator[Served]:
    served = Served(dsn, folder, module, **settings)
    try:
        yield served
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(served.process.pid, signal.SIGKILL)
        served.process.wait()


def test_a_killed_worker_is_replaced_and_the_end_takes_them_all(module_database: Database, tmp_path: Path) -> None:
    with serving(module_database.web_dsn, tmp_path, GRANTBOOK_WORKERS="2") as served:
        until(served.answers)
        until(lambda: len(served.workers()) == 2)
        first, other = served.workers()
        first.kill()
        until(lambda: len(served.workers()) == 2 and first.pid not in {p.pid for p in served.workers()})
        until(served.answers)
        assert other.is_running()
        workers = served.workers()
        assert served.end() == 0
        assert not any(worker.is_running() for worker in workers)
    log = served.log.read_text()
    assert "worker ended, starting another" in log
    assert "Traceback" not in log
    assert "ncorn" not in log


def test_nobody_waits_for_a_worker_that_is_starting(module_database: Database, tmp_path: Path) -> None:
    with serving(module_database.web_dsn, tmp_path, GRANTBOOK_WORKERS="2") as served:
        until(lambda: served.log.read_text().count("worker serves") == 2)
        known = {worker.pid for worker in served.workers()}
        served.workers()[0].kill()
        until(lambda: {worker.pid for worker in served.workers()} - known)
        (new,) = [worker for worker in served.workers() if worker.pid not in known]
        new.suspend()
        assert all(served.answers() for _ in range(20))


def stuck_after(turns: int) -> tuple[str, str]:
    return "-c", f"from web.serving import workers; workers.STUCK_AFTER_TURNS = {turns}; from web.cli.child import main; main()"


def test_a_worker_that_is_stuck_is_killed_and_replaced(module_database: Database, tmp_path: Path) -> None:
    with serving(module_database.web_dsn, tmp_path, stuck_after(3), GRANTBOOK_WORKERS="1") as served:
        until(served.answers)
        (stuck,) = served.workers()
        stuck.suspend()
        until(lambda: not lives(stuck))
        until(lambda: served.workers() and served.answers())
        assert served.end() == 0
    log = served.log.read_text()
    (told,) = [json.loads(line) for line in log.splitlines() if "worker is stuck, killing it" in line]
    assert (told["pid"], told["silent_seconds"]) == (stuck.pid, 3)
    assert "worker ended, starting another" in log


def test_nobody_is_stuck_where_all_were_suspended(module_database: Database, tmp_path: Path) -> None:
    with serving(module_database.web_dsn, tmp_path, stuck_after(6), GRANTBOOK_WORKERS="1") as served:
        until(served.answers)
        processes = [psutil.Process(served.process.pid), *served.workers()]
        for process in processes:
            process.suspend()
        time.sleep(7)  # more than its turns would be
        for process in processes:
            process.resume()
        assert served.answers()
        assert served.workers() == processes[1:]
        assert served.end() == 0
    assert "stuck" not in served.log.read_text()


def test_workers_end_with_a_killed_parent(module_database: Database, tmp_path: Path) -> None:
    with serving(module_database.web_dsn, tmp_path) as served:
        until(served.answers)
        workers = served.workers()
        served.process.kill()
        served.process.wait()
        assert psutil.wait_procs(workers, timeout=200)[1] == []
        with socket.create_server(("127.0.0.1", served.port)):
            pass


def test_a_port_in_use_is_one_sentence(module_database: Database, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serving(module_database.web_dsn, tmp_path, GRANTBOOK_PORT=str(port)) as served:
            assert served.process.wait(200) == 1
    assert served.log.read_text() == f"Port {port} is in use: end what listens there, or choose another with --port.\n"


@pytest.mark.parametrize(("host", "asked"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::", "127.0.0.1"), ("localhost", "localhost")])
def test_it_listens_where_it_is_told(module_database: Database, tmp_path: Path, host: str, asked: str) -> None:
    with serving(module_database.web_dsn, tmp_path, GRANTBOOK_HOST=host, GRANTBOOK_WORKERS="1") as served:
        until(lambda: served.answers(asked))


def test_without_a_database_it_is_served_and_not_ready(tmp_path: Path) -> None:
    with serving("host=/nowhere dbname=x connect_timeout=1", tmp_path, GRANTBOOK_WORKERS="1") as served:
        until(served.answers)
        assert httpx.get(served.url("/readyz"), timeout=60).status_code == 503
        assert served.end() == 0


def test_workers_that_cannot_start_are_left_to_the_supervisor(module_database: Database, tmp_path: Path) -> None:
    with serving(module_database.web_dsn, tmp_path, GRANTBOOK_RUN_FOLDER=str(tmp_path / "nowhere")) as served:
        assert served.process.wait(200) == 1
        assert "worker ended" in served.log.read_text()


def test_a_worker_that_takes_long_to_fail_has_not_been_of_use(module_database: Database, tmp_path: Path) -> None:
    at_once = ("-c", "from web.serving import workers; workers._STABLE_AFTER_S = 0.0; from web.cli.child import main; main()")
    with serving(module_database.web_dsn, tmp_path, at_once, GRANTBOOK_RUN_FOLDER=str(tmp_path / "nowhere")) as served:
        assert served.process.wait(200) == 1
        assert served.log.read_text().count("worker ended") == 1
