from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infrastructure.database import connect
from infrastructure.projector import Projector
from infrastructure.projector_workers import writer_dsn
from infrastructure.store.keyring import Keyring
from projections import view
from projections.events import PersonalReader
from projections.preparing import prepare
from projections.registry import BY_NAME
from projections.status import lag, status, wait_until
from tests.infrastructure.store.given import WRAPPING_KEYS, store_on
from tests.projections.history import History
from tests.projections.support import differences
from tests.support.postgres import Database

Connection = psycopg.Connection[Any]
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


class Processes:
    """Projector processes by name; whoever is still there at the end is killed."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        command = [sys.executable, "-m", "tests.projections.projector_process", self._dsn, name]
        self._running[name] = subprocess.Popen(command, cwd=ROOT, start_new_session=True)

    def signal(self, name: str, number: int) -> None:
        os.kill(self._running[name].pid, number)

    def kill(self, name: str) -> None:
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def end(self, name: str) -> int:
        process = self._running.pop(name)
        process.terminate()
        return process.wait(PATIENCE)

    def kill_all(self) -> None:
        for name in list(self._running):
            self.kill(name)


@pytest.fixture
def processes(database: Database) -> Iterator[Processes]:
    running = Processes(database.web_dsn)
    try:
        yield running
    finally:
        running.kill_all()


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with connect(writer_dsn(database.web_dsn)) as opened:
        yield opened


def reader_on(database: Database) -> Callable[[], PersonalReader]:
    def make() -> PersonalReader:
        keyring = Keyring(database.web_dsn, WRAPPING_KEYS)
        return PersonalReader(keyring.open, keyring.prefetch)

    return make


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def leader(connection: Connection) -> str | None:
    row = connection.execute("SELECT holder FROM projector_leader WHERE heartbeat_at > now() - interval '1 second'").fetchone()
    return None if row is None else row[0]


def all_projected(connection: Connection) -> bool:
    row = connection.execute("SELECT count(*) FROM events").fetchone()
    assert row is not None
    return wait_until(connection, row[0], 0.1)


def test_whoever_leads_is_killed_or_paused_and_the_rows_stay_equal_to_a_rebuild(
    database: Database, processes: Processes, connection: Connection
) -> None:
    for name in ("a", "b"):
        processes.start(name)
    until(lambda: leader(connection) is not None)
    writing = threading.Event()
    with store_on(database) as store:
        history = History(store, 21)

        def write() -> None:
            while not writing.is_set():
                history.play(20)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(10):
                led = leader(connection)
                assert led is not None
                processes.kill(led)
                processes.start(f"{led}{number}"[-8:])
                until(lambda led=led: leader(connection) not in (None, led))  # type: ignore[misc]
            paused = leader(connection)
            assert paused is not None
            processes.signal(paused, signal.SIGSTOP)
            until(lambda: leader(connection) not in (None, paused))
            processes.signal(paused, signal.SIGCONT)
            time.sleep(1)
        finally:
            writing.set()
            writer.join()
    until(lambda: all_projected(connection))
    with connect(writer_dsn(database.web_dsn)) as snapshot:
        assert differences(connection, snapshot, reader_on(database)) == []
    placed = connection.execute("SELECT count(*), max(position) FROM positions").fetchone()
    assert placed is not None
    assert placed[0] == placed[1]


def test_a_projector_ends_within_a_moment_of_sigterm_and_another_takes_over(database: Database, processes: Processes, connection: Connection) -> None:
    processes.start("first")
    until(lambda: leader(connection) == "first")
    processes.start("second")
    assert processes.end("first") == 0
    until(lambda: leader(connection) == "second")


@pytest.fixture
def running(database: Database) -> Iterator[tuple[Projector, list[int]]]:
    """A projector in a thread of this process, with a sweep that counts its calls."""
    sweeps: list[int] = []
    stop = threading.Event()
    projector = Projector(database.web_dsn, reader_on(database), sweep=lambda: sweeps.append(1), sweep_every=0.05)
    thread = threading.Thread(target=projector.run, args=(stop,))
    thread.start()
    try:
        yield projector, sweeps
    finally:
        stop.set()
        thread.join(PATIENCE)


def test_what_is_recorded_shows_in_the_views(database: Database, running: Any, connection: Connection) -> None:
    with store_on(database) as store:
        History(store, 22).play(50)
    until(lambda: view.head(connection) > 5 and all_projected(connection))
    found = lag(connection)
    assert found.behind == 0
    assert found.stopped is None
    assert {s.state for s in status(connection)} == {"live"}


def test_the_leader_sweeps(running: tuple[Projector, list[int]]) -> None:
    until(lambda: len(running[1]) > 2)


def test_lost_connections_are_made_anew(database: Database, running: Any, connection: Connection) -> None:
    until(lambda: leader(connection) is not None)
    query = "SELECT {} FROM pg_stat_activity WHERE application_name = 'grantbook-projector' AND datname = %s"
    with connect(database.superuser_dsn) as admin:
        until(lambda: len(admin.execute(query.format("pid"), (database.name,)).fetchall()) >= 3)
        assert len(admin.execute(query.format("pg_terminate_backend(pid)"), (database.name,)).fetchall()) >= 3
    with store_on(database) as store:
        History(store, 23).play(30)
    with connect(writer_dsn(database.web_dsn)) as fresh:
        until(lambda: view.head(fresh) > 5 and all_projected(fresh))


def test_a_stopped_projection_is_told_in_the_lag_and_in_the_status(database: Database, connection: Connection) -> None:
    prepare(connection)
    view.stop(connection, "sessions", 0, "event 1 (account.opened): KeyError: 'plan'")
    found = lag(connection)
    assert found.stopped is not None
    assert "event 1" in found.stopped
    stopped = next(s for s in status(connection) if s.name == "sessions")
    assert (stopped.state, stopped.error) == ("stopped", found.stopped)


def test_a_new_leader_lets_stopped_projections_try_again(database: Database, connection: Connection, processes: Processes) -> None:
    prepare(connection)
    view.stop(connection, "sessions", 0, "event 1 (account.opened): KeyError: 'plan'")
    processes.start("a")
    until(lambda: {s.state for s in status(connection)} == {"live"})


def test_tables_of_an_older_version_are_replaced_when_a_projector_starts(database: Database, connection: Connection, processes: Processes) -> None:
    prepare(connection)
    with store_on(database) as store:
        History(store, 24).play(30)
    members = BY_NAME["members"]
    suffix = view.standings(connection)["members"].suffix
    connection.execute("UPDATE projections SET version = 0 WHERE name = 'members'")
    connection.execute(f"ALTER TABLE views.members_v{members.version}{suffix} RENAME TO members_v0{suffix}".encode())
    processes.start("a")
    until(lambda: view.standings(connection)["members"].version == members.version and all_projected(connection))
    assert connection.execute("SELECT count(*) > 0 FROM views.members").fetchone() == (True,)
