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
import psycopg
import pytest

from bench.ports import free_ports
from infrastructure.run_folder import RunFolder
from tests.operations.conftest import KEY_NAMES
from tests.support.demo import ROOT
from tests.support.oauth_world import CALLBACK, KEYS, oauth_world
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

    def listening(self) -> set[int]:
        """The web child's descriptors of the sockets at which somebody may arrive."""
        return {each.fd for each in psutil.Process(self.process.pid).net_connections() if each.status == psutil.CONN_LISTEN}

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


def patched(statement: str) -> tuple[str, str]:
    return "-c", f"from web.serving import workers; {statement}; from web.cli.child import main; main()"


def test_nobody_waits_for_a_worker_that_is_starting_unless_no_other_serves(module_database: Database, tmp_path: Path) -> None:
    with serving(module_database.web_dsn, tmp_path, GRANTBOOK_WORKERS="2") as served:
        until(lambda: served.log.read_text().count("worker serves") == 2)
        known = {worker.pid for worker in served.workers()}
        served.workers()[0].kill()
        until(lambda: {worker.pid for worker in served.workers()} - known)
        (new,) = [worker for worker in served.workers() if worker.pid not in known]
        new.suspend()
        assert all(served.answers() for _ in range(20))
        (other,) = [worker for worker in served.workers() if worker.pid in known]
        before = served.listening()
        other.kill()
        until(lambda: served.listening() and not before & served.listening())
        with socket.create_connection(("127.0.0.1", served.port), timeout=200) as nobody_else_serves:
            nobody_else_serves.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            new.resume()
            assert b"200 OK" in nobody_else_serves.recv(1 << 16)


def test_a_worker_that_is_stuck_is_killed_and_replaced_however_often_others_end(module_database: Database, tmp_path: Path) -> None:
    with serving(module_database.web_dsn, tmp_path, patched("workers.STUCK_AFTER_TURNS = 3"), GRANTBOOK_WORKERS="1") as served:
        until(served.answers)
        (stuck,) = served.workers()
        stuck.suspend()

        def has_ended() -> bool:
            served.process.send_signal(signal.SIGCHLD)  # as often as others end, and more
            return not lives(stuck)

        until(has_ended)
        until(lambda: served.workers() and served.answers())
        assert served.end() == 0
    log = served.log.read_text()
    (told,) = [json.loads(line) for line in log.splitlines() if "worker is stuck, killing it" in line]
    assert (told["pid"], told["silent_seconds"]) == (stuck.pid, 3)
    assert "worker ended, starting another" in log


def test_nobody_is_stuck_where_all_were_suspended(module_database: Database, tmp_path: Path) -> None:
    with serving(module_database.web_dsn, tmp_path, patched("workers.STUCK_AFTER_TURNS = 6"), GRANTBOOK_WORKERS="1") as served:
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


def test_one_that_cannot_be_started_again_is_tried_later_and_the_others_serve(module_database: Database, tmp_path: Path) -> None:
    with RunFolder.made() as folder, serving(module_database.web_dsn, tmp_path, GRANTBOOK_RUN_FOLDER=str(folder.path)) as served:
        until(lambda: served.log.read_text().count("worker serves") == 2)
        first, other = served.workers()
        hidden = folder.path.rename(folder.path.with_suffix(".hidden"))
        first.kill()
        until(lambda: served.log.read_text().count("worker ended") == 2)
        assert served.answers()
        hidden.rename(folder.path)
        until(lambda: served.log.read_text().count("worker serves") == 3)
        assert lives(other)
        assert served.end() == 0


def test_registrations_that_were_counted_ahead_are_given_back_at_the_end(database: Database, tmp_path: Path) -> None:
    with oauth_world(database), serving(database.web_dsn, tmp_path, GRANTBOOK_WORKERS="1") as served:
        until(served.answers)
        with httpx.Client(timeout=60) as http:
            answers = [http.post(served.url("/oauth/register"), json={"client_name": "Tool", "redirect_uris": [CALLBACK]}) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {201}
        assert served.end() == 0
    with psycopg.connect(database.superuser_dsn) as connection:
        counted = connection.execute("SELECT DISTINCT count FROM rate_counters WHERE bucket ~ 'regist'").fetchall()
    assert counted == [(20,)]


def test_a_worker_that_takes_long_to_fail_has_not_been_of_use(module_database: Database, tmp_path: Path) -> None:
    at_once = patched("workers._STABLE_AFTER_S = 0.0")
    with serving(module_database.web_dsn, tmp_path, at_once, GRANTBOOK_WORKERS="1", GRANTBOOK_RUN_FOLDER=str(tmp_path / "nowhere")) as served:
        assert served.process.wait(200) == 1
        assert served.log.read_text().count("worker ended") == 1
