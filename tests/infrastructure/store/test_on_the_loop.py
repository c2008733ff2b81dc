"""The store as the tasks of a web worker's event loop use it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from uuid import uuid4

import psycopg
import pytest

from application.ports import Busy, Conflict
from domain.grant import Grant
from domain.member import Member
from infrastructure.store.connection import Connections
from infrastructure.store.pipeline import Pipeline
from infrastructure.store.store import PostgresStore
from infrastructure.tasks import aside
from tests.infrastructure.store import given
from tests.infrastructure.store.given import World
from tests.infrastructure.store.test_barrier import until
from tests.infrastructure.store.test_batching import grants, rotate, versions
from tests.support.on_the_loop import OnTheLoop, on_the_loop
from tests.support.postgres import Database


@pytest.fixture
def loop() -> Iterator[OnTheLoop]:
    with on_the_loop() as made:
        yield made


@pytest.fixture
def store(database: Database) -> Iterator[PostgresStore]:
    with given.store_on(database) as opened:
        yield opened


def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the statements that tasks send from now on."""
    sent: list[str] = []
    ask = Pipeline.ask

    def noting(self: Pipeline, statement: object, *args: object, **kwargs: object) -> None:
        sent.append(statement.name.decode())  # type: ignore[attr-defined]
        ask(self, statement, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Pipeline, "ask", noting)
    return sent


def commits(database: Database, worlds: list[World]) -> int:
    """How many transactions wrote the newest versions of these grants."""
    with psycopg.connect(database.superuser_dsn) as connection:
        sql = "SELECT DISTINCT ON (originator_id) xid::text FROM events WHERE originator_id = ANY(%s) ORDER BY originator_id, originator_version DESC"
        return len({xid for (xid,) in connection.execute(sql, ([world.grant for world in worlds],))})


def end_backends(database: Database) -> int:
    with psycopg.connect(database.superuser_dsn) as connection:
        sql = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
        row = connection.execute(sql).fetchone()
    assert row is not None
    return int(row[0])


def test_rotations_of_one_turn_share_one_commit(store: PostgresStore, database: Database, loop: OnTheLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = grants(store, 5)
    before, sent = versions(store, worlds), statements(monkeypatch)
    assert all(loop.all([partial(rotate, store, world) for world in worlds]))
    assert [name for name in sent if name.startswith("shared")] == ["shared_5"]
    assert versions(store, worlds) == [version + 1 for version in before]
    assert commits(database, worlds) == 1


def test_two_rotations_of_one_grant_are_judged_one_after_the_other(store: PostgresStore, loop: OnTheLoop) -> None:
    worlds = grants(store, 2)
    before = versions(store, worlds)
    assert sorted(loop.all([partial(rotate, store, world) for world in (worlds[0], worlds[0], worlds[1])])) == [False, True, True]
    assert versions(store, worlds) == [version + 1 for version in before]


def test_a_revocation_that_was_answered_keeps_a_task_from_storing(store: PostgresStore, loop: OnTheLoop) -> None:
    worlds = grants(store, 2)
    member = store.load(Member, worlds[0].member)
    assert member is not None
    cached = store.cached_standing(worlds[0].grant)
    assert cached is not None
    elsewhere = member.copy()
    elsewhere.deactivate(worlds[0].context())

    def stale() -> bool:
        given.rotate(cached.grant, cached, worlds[0])
        return store.append_rotation(cached.grant, cached, head=cached.grant.version - 1)

    store.append_ending([elsewhere])
    assert not loop.run(stale)


def test_a_task_may_end_things_too_and_waits_for_the_barrier_beside_the_loop(store: PostgresStore, loop: OnTheLoop) -> None:
    (world,) = grants(store, 1)

    def end() -> int:
        grant = store.load(Grant, world.grant)
        assert grant is not None
        grant.revoke("admin", world.context())
        return store.append_ending([grant]).version

    assert loop.run(end) == versions(store, [world])[0]


def test_the_end_of_access_and_lost_connections_wait_for_nothing_that_is_slow(store: PostgresStore, loop: OnTheLoop) -> None:
    (world,) = grants(store, 1)
    gate = threading.Event()
    slow = loop.begin([partial(aside, partial(gate.wait, 5)) for _ in range(10)])

    def end() -> int:
        grant = store.load(Grant, world.grant)
        assert grant is not None
        grant.revoke("admin", world.context())
        return store.append_ending([grant]).version

    ended = loop.run(end)
    assert not any(each.done() for each in slow)
    gate.set()
    assert ended == versions(store, [world])[0]


def test_what_several_tasks_read_comes_back_to_the_one_that_asked(store: PostgresStore, database: Database, loop: OnTheLoop) -> None:
    worlds = grants(store, 6)
    with given.store_on(database) as cold:
        found = loop.all([partial(cold.standing, world.grant) for world in worlds])
        assert [each and each.grant.id for each in found] == [world.grant for world in worlds]
        assert loop.run(lambda: cold.standing(uuid4())) is None


@pytest.mark.parametrize("what", ["read", "rotate"])
def test_a_connection_that_was_lost_in_between_is_made_anew(store: PostgresStore, database: Database, loop: OnTheLoop, what: str) -> None:
    worlds = grants(store, 3)
    works: dict[str, Callable[[World], object]] = {"read": lambda w: store.standing(w.grant), "rotate": lambda w: rotate(store, w)}
    loop.all([partial(works[what], world) for world in worlds])
    before = versions(store, worlds)
    assert end_backends(database) > 0
    assert all(loop.all([partial(works[what], world) for world in worlds]))
    assert versions(store, worlds) == [version + (what == "rotate") for version in before]


@pytest.mark.parametrize("where", ["on the loop", "in a thread"])
def test_a_connection_that_may_not_write_is_not_kept(
    store: PostgresStore, database: Database, loop: OnTheLoop, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It leads to a standby, or the database was closed to writers when it was made: a new one may do better."""
    monkeypatch.setattr("infrastructure.store.prepared.STALE_AFTER_S", 0.0)
    (world,) = grants(store, 1)
    work = partial(rotate, store, world)
    do = partial(loop.run, work) if where == "on the loop" else work
    end_backends(database)
    with psycopg.connect(database.superuser_dsn, autocommit=True) as operator:
        name = operator.info.dbname
        operator.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        with pytest.raises(Busy):
            do()
        operator.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    assert do()


@pytest.mark.parametrize("took_effect", [True, False])
def test_each_row_of_a_lost_statement_finds_its_own_fate(
    store: PostgresStore, loop: OnTheLoop, monkeypatch: pytest.MonkeyPatch, took_effect: bool
) -> None:
    worlds = grants(store, 3)
    lost: list[bool] = []
    readable, send = Pipeline._readable, Pipeline._send

    def deaf(self: Pipeline) -> None:
        if any(asked.statement.name == b"shared_3" for asked in self._under_way) and not lost:
            lost.append(True)
            self._lose("gone")
        else:
            readable(self)

    def dumb(self: Pipeline) -> None:
        if any(asked.statement.name == b"shared_3" for asked in self._queued) and not lost and self._connection is not None:
            lost.append(True)
            self._loop.call_soon(self._lose, "gone")
        else:
            send(self)

    get = Connections.get

    def none_beside_the_loop(self: Connections) -> object:
        assert not threading.current_thread().name.startswith("aside")
        return get(self)

    monkeypatch.setattr(Connections, "get", none_beside_the_loop)
    monkeypatch.setattr(Pipeline, *(("_readable", deaf) if took_effect else ("_send", dumb)))
    assert loop.run(partial(rotate, store, worlds[0]))  # the connection that will be lost
    before = versions(store, worlds)
    assert all(loop.all([partial(rotate, store, world) for world in worlds]))
    assert lost
    assert versions(store, worlds) == [version + 1 for version in before]


def test_an_error_of_one_statement_reaches_only_its_task(store: PostgresStore, database: Database, loop: OnTheLoop) -> None:
    worlds = grants(store, 2)
    with psycopg.connect(database.owner_dsn) as connection:
        connection.execute("REVOKE SELECT ON snapshots FROM grantbook_web")
    with given.store_on(database) as cold:
        known = loop.run(lambda: store.standing(worlds[0].grant))
        broken, fine = loop.begin([lambda: cold.standing(worlds[1].grant), lambda: store.standing(worlds[0].grant)])
        assert fine.result(30) is not None
        assert known is not None
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            broken.result(30)


def test_a_database_that_is_away_is_busy_and_loses_nothing(loop: OnTheLoop, store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    (world,) = grants(store, 1)
    connect = psycopg.connect

    def refusing(*_: object, **__: object) -> object:
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(psycopg, "connect", refusing)
    with pytest.raises(Busy):
        loop.run(lambda: store.standing(world.grant))
    monkeypatch.setattr(psycopg, "connect", connect)
    assert loop.run(lambda: store.standing(world.grant)) is not None


def test_no_task_can_block_the_loop_by_a_connection_of_its_own(loop: OnTheLoop, store: PostgresStore) -> None:
    connections: Connections = store._connections
    with pytest.raises(RuntimeError, match="aside"):
        loop.run(connections.get)


def test_a_statement_that_waits_for_a_row_keeps_no_other_waiting(store: PostgresStore, database: Database, loop: OnTheLoop) -> None:
    worlds = grants(store, 2)
    cached = store.cached_standing(worlds[0].grant)
    assert cached is not None
    with psycopg.connect(database.superuser_dsn) as rival, psycopg.connect(database.superuser_dsn, autocommit=True) as watcher:
        sql = """INSERT INTO events (originator_id, originator_version, topic, state, account_id)
        SELECT originator_id, originator_version + 1, 'grant.tokens_refreshed', state, account_id FROM events
        WHERE originator_id = %s ORDER BY originator_version DESC LIMIT 1"""
        rival.execute(sql, (worlds[0].grant,))
        (contended,) = loop.begin([partial(rotate, store, worlds[0])])
        waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        until(lambda: watcher.execute(waiting).fetchone() is not None)
        assert loop.run(partial(rotate, store, worlds[1]))
        assert not contended.done()
        rival.rollback()
    try:
        assert contended.result(30)
    except (Busy, Conflict):
        pytest.fail("the row was free again")
