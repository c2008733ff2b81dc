from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from domain.grant import Grant
from domain.member import Member
from infrastructure.database import decide_dsn
from infrastructure.store.barrier import not_after
from infrastructure.store.store import PostgresStore
from tests.infrastructure.store import given
from tests.support.postgres import Database


@pytest.fixture
def store(database: Database) -> Iterator[PostgresStore]:
    with given.store_on(database) as made:
        yield made


class Ending:
    """`append_ending` of a member's deactivation in a thread of its own."""

    def __init__(self, store: PostgresStore, made: given.World) -> None:
        member = store.load(Member, made.member)
        assert member is not None
        member.deactivate(made.context())
        self.answered = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(store, member))
        self._thread.start()

    def _run(self, store: PostgresStore, member: Member) -> None:
        store.append_ending([member])
        self.answered.set()

    def join(self) -> None:
        self._thread.join(10)
        assert self.answered.is_set()


def until(condition: Callable[[], object], patience_s: float = 30.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@contextlib.contextmanager
def sleeping(dsn: str, superuser_dsn: str) -> Iterator[None]:
    """A statement that keeps its snapshot until the end."""
    with psycopg.connect(dsn, autocommit=True) as connection, psycopg.connect(superuser_dsn, autocommit=True) as watcher:

        def sleep() -> None:
            with contextlib.suppress(psycopg.errors.QueryCanceled):
                connection.execute("SELECT count(*) FROM events, pg_sleep(60)")

        thread = threading.Thread(target=sleep)
        thread.start()
        begun = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        until(lambda: watcher.execute(begun, (connection.info.backend_pid,)).fetchall())
        try:
            yield
        finally:
            connection.cancel()
            thread.join()


def test_a_revocation_answers_at_once_when_nothing_is_under_way(store: PostgresStore) -> None:
    Ending(store, given.world(store)).join()


def test_a_revocation_waits_for_decisions_that_began_before_it(store: PostgresStore, database: Database) -> None:
    made = given.world(store)
    with sleeping(decide_dsn(database.web_dsn), database.superuser_dsn):
        ending = Ending(store, made)
        assert not ending.answered.wait(0.3)
    ending.join()


def test_a_report_or_a_dump_is_never_waited_for(store: PostgresStore, database: Database) -> None:
    made = given.world(store)
    with sleeping(make_conninfo(database.web_dsn, application_name="report"), database.superuser_dsn):
        Ending(store, made).join()


def test_decisions_that_began_after_it_are_not_waited_for(store: PostgresStore, database: Database) -> None:
    """A running transaction keeps every new snapshot's horizon old, and new statements keep coming: the revocation must answer all the same."""
    made = given.world(store)
    stop = threading.Event()

    def chatter() -> None:
        with psycopg.connect(decide_dsn(database.web_dsn), autocommit=True) as connection:
            while not stop.is_set():
                connection.execute("SELECT pg_sleep(0.05)")

    threads = [threading.Thread(target=chatter) for _ in range(3)]
    with psycopg.connect(make_conninfo(database.superuser_dsn, application_name="import")) as other:
        other.execute("SELECT pg_current_xact_id()")
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        answered = Ending(store, made).answered.wait(10.0)
        stop.set()
        for thread in threads:
            thread.join()
    assert answered


def test_a_revocation_waits_for_an_append_that_waits_on_a_conflict(store: PostgresStore, database: Database) -> None:
    """The append was judged before the revocation; it may still take effect when what it waits for rolls back, so the answer waits for both."""
    made = given.world(store)
    with given.store_on(database) as worker, psycopg.connect(make_conninfo(database.superuser_dsn, application_name="other")) as blocker:
        on = given.standing(worker, made)
        grant = on.grant.copy()
        given.rotate(grant, on, made)
        sql = "INSERT INTO events (originator_id, originator_version, topic, state, account_id) VALUES (%s, %s, 't', '{}', %s)"
        blocker.execute(sql, (made.grant, grant.version, made.account))
        outcome: list[bool] = []
        waiting = threading.Thread(target=lambda: outcome.append(worker.append_rotation(grant, on, head=on.grant.version)))
        waiting.start()
        until(lambda: blocker.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall())
        ending = Ending(store, made)
        assert not ending.answered.wait(0.3)
        blocker.rollback()
        waiting.join(5)
        ending.join()
        assert outcome == [True]
        assert judged_before_it_was_answered(store, made)


def judged_before_it_was_answered(store: PostgresStore, made: given.World) -> bool:
    """The rotation is in the store by the time of the answer, and nothing follows it."""
    with psycopg.connect(store._connections.dsn, autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM events WHERE originator_id = %s", (made.grant,)).fetchone()
        time.sleep(0.2)
        assert row == connection.execute("SELECT count(*) FROM events WHERE originator_id = %s", (made.grant,)).fetchone()
    return row is not None and row[0] == 3


def test_a_transaction_that_was_paused_after_its_append_is_waited_for_and_ended(store: PostgresStore, database: Database) -> None:
    """It holds no snapshot between its statements, but its append was judged on an old one and is not committed."""
    made = given.world(store)
    with psycopg.connect(decide_dsn(database.web_dsn)) as paused:
        on = given.standing(store, made)
        sql = """INSERT INTO events (originator_id, originator_version, topic, state, account_id)
        SELECT %s, %s, 't', '{}', %s WHERE NOT EXISTS (SELECT FROM events WHERE originator_id = %s AND originator_version > %s)"""
        paused.execute(sql, (made.grant, on.grant.version + 1, made.account, made.member, on.member.version))
        ending = Ending(store, made)
        assert not ending.answered.wait(0.5)
        ending.join()
        with pytest.raises(psycopg.Error):
            paused.commit()
        paused.close()
    grant = store.load(Grant, made.grant)
    assert grant is not None
    assert grant.version == on.grant.version


WORKER = """
import sys
from uuid import UUID
import psycopg
from tests.infrastructure.store import given
from tests.support.postgres import Database
dsn, account, member, client, grant = sys.argv[1:]
made = given.World(UUID(account), UUID(member), UUID(client), UUID(grant))
with given.store_on(Database("", "", dsn, "")) as store:
    print("ready", flush=True)
    while True:
        on = given.standing(store, made)
        if not on.member.active:
            print("stopped", flush=True)
            break
        grant = on.grant.copy()
        given.rotate(grant, on, made)
        store.append_rotation(grant, on, head=on.grant.version)
"""


def test_no_rotation_commits_after_a_revocation_was_answered_even_by_a_worker_that_was_paused(store: PostgresStore, database: Database) -> None:
    for pause in (False, True):
        made = given.world(store)
        arguments = [database.web_dsn, *(str(i) for i in (made.account, made.member, made.client, made.grant))]
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."}
        )
        assert worker.stdout is not None
        with worker.stdout:
            assert worker.stdout.readline() == "ready\n"
            until(partial(_rotated, store, made))
            if pause:
                worker.send_signal(signal.SIGSTOP)
            Ending(store, made).join()
            before = versions(store, made)
            worker.send_signal(signal.SIGCONT)
            assert worker.stdout.readline() == "stopped\n"
            worker.wait()
        assert versions(store, made) == before
        assert before > 3


def _rotated(store: PostgresStore, made: given.World) -> bool:
    return versions(store, made) > 3


def versions(store: PostgresStore, made: given.World) -> int:
    rows: list[tuple[Any, ...]] = store._connections.query("SELECT max(originator_version) FROM events WHERE originator_id = %s", (made.grant,))
    return int(rows[0][0])


def test_nothing_on_the_decision_path_may_run_or_idle_longer_than_the_barrier_waits(store: PostgresStore) -> None:
    names = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout", "application_name", "plan_cache_mode")
    found = [store._connections.query(f"SHOW {name}")[0][0] for name in names]
    assert found == ["2s", "2s", "4s", "grantbook-decide", "force_generic_plan"]


@pytest.mark.parametrize(
    ("xid", "other", "expected"),
    [(5, 5, True), (4, 5, True), (6, 5, False), (0xFFFFFFF0, 3, True), (3, 0xFFFFFFF0, False), (0x7FFFFFFF, 0xFFFFFFF0, True)],
)
def test_transaction_ids_compare_across_the_wrap(xid: int, other: int, expected: bool) -> None:
    assert not_after(xid, other) is expected
