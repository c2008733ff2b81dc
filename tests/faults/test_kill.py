"""kill -9 during refreshes: every acknowledged refresh token is the live one after the restart, and nothing is lost."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from tests.support.demo import Demo
from tests.support.http_flow import App
from tests.support.inside import Inside, inside

SESSIONS = 24
PAUSE_S = 0.005
"""So that what is killed finds the processors free enough to start again, and a run leaves no more events than can soon be verified."""
NUMBERS = itertools.count(1000)


@dataclass
class Session:
    """A client's view of its session: the last token it was given, and how often it was answered."""

    client_id: str
    token: str
    answered: list[str] = field(default_factory=list)


@dataclass
class Refreshing:
    """Eight threads, each refreshing sessions of its own until told to stop; a lost answer is tried again with the same token."""

    base_url: str
    sessions: list[Session]
    stop: threading.Event = field(default_factory=threading.Event)
    refused: list[str] = field(default_factory=list)

    def run(self, mine: list[Session]) -> None:
        with httpx.Client(base_url=self.base_url, timeout=5) as http:
            while not self.stop.is_set():
                for session in mine:
                    with contextlib.suppress(httpx.HTTPError):
                        self.refresh(http, session)
                    self.stop.wait(PAUSE_S)

    def refresh(self, http: httpx.Client, session: Session) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": session.token, "client_id": session.client_id}
        answer = http.post("/oauth/token", data=form)
        if answer.status_code == 200:
            session.token = answer.json()["refresh_token"]
            session.answered.append(session.token)
        elif answer.status_code < 500:
            self.refused.append(answer.text)


@contextlib.contextmanager
def refreshing(demo: Demo, sessions: list[Session]) -> Iterator[Refreshing]:
    load = Refreshing(demo.base_url, sessions)
    threads = [threading.Thread(target=load.run, args=(sessions[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop.set()
        for thread in threads:
            thread.join()


def open_sessions(store: Inside) -> list[Session]:
    app = App(store.demo.base_url)
    app.register()
    made = []
    for _ in range(SESSIONS):
        code = store.code(app.client_id, store.member(next(NUMBERS)))
        made.append(Session(app.client_id, store.exchange(code, app.http).json()["refresh_token"]))
    return made


def check_nothing_is_lost(demo: Demo, sessions: list[Session]) -> None:
    """Each session's last acknowledged token works once more; every acknowledged rotation stands as an event; the views are right."""
    load = Refreshing(demo.base_url, sessions)
    with httpx.Client(base_url=demo.base_url, timeout=20) as http:
        for session in sessions:
            before = len(session.answered)
            load.refresh(http, session)
            assert len(session.answered) == before + 1, load.refused
    assert demo.cli("projections", "verify")["differences"] == []
    assert demo.cli("ledger", "verify")["findings"] == []


def acknowledged_are_recorded(store: Inside, sessions: list[Session]) -> None:
    with store.database() as database:
        for session in sessions:
            for token in session.answered:
                read = store.services.codec.read(token)
                assert read is not None
                sql = "SELECT 1 FROM events WHERE originator_id = %s AND originator_version = %s AND topic LIKE 'grant.%%'"
                assert database.execute(sql, (read.grant_id, read.version)).fetchone()


def test_kill_9_of_web_workers_during_refreshes(demo: Demo, store: Inside) -> None:
    sessions, chance = open_sessions(store), random.Random(3)
    with refreshing(demo, sessions) as load:
        for _ in range(5):
            time.sleep(0.5)
            workers = demo.web_workers()
            assert workers
            os.kill(chance.choice(workers), signal.SIGKILL)
            wait_until_served(demo)
        assert load.refused == []
    assert sum(len(s.answered) for s in sessions) > SESSIONS
    acknowledged_are_recorded(store, sessions)
    check_nothing_is_lost(demo, sessions)


def test_kill_9_of_everything_during_refreshes(demo: Demo, store: Inside) -> None:
    sessions = open_sessions(store)
    with refreshing(demo, sessions) as load:
        time.sleep(1.5)
        kill_everything(demo, store)
        assert load.refused == []
    assert sum(len(s.answered) for s in sessions) > SESSIONS
    store.app.close()
    demo.start()
    with inside(demo) as again:
        acknowledged_are_recorded(again, sessions)
    check_nothing_is_lost(demo, sessions)


def wait_until_served(demo: Demo) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{demo.base_url}/healthz", timeout=2).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("nobody serves")


def kill_everything(demo: Demo, store: Inside) -> None:
    """The demo's processes and its PostgreSQL, all at once."""
    assert demo.process is not None
    with store.database() as database:
        folder = database.execute("SHOW data_directory").fetchone()
    assert folder is not None
    server = int(Path(folder[0], "postmaster.pid").read_text().splitlines()[0])
    processes = [p for main in (demo.process.pid, server) for p in (psutil.Process(main), *psutil.Process(main).children(recursive=True))]
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    demo.process.wait(10)
