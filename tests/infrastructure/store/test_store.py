from __future__ import annotations

import os
import threading
from collections.abc import Callable

import psycopg

from domain.member import Member
from infrastructure.store.sequencer import Sequencer
from tests.infrastructure.store import given
from tests.support.postgres import Database


def test_what_is_appended_can_be_loaded_by_another_process(database: Database) -> None:
    with given.store_on(database) as store, given.store_on(database) as other:
        made = given.world(store)
        assert given.standing(other, made).judged == given.standing(store, made).judged
        assert vars(given.standing(other, made).member)["held"] == vars(given.standing(store, made).member)["held"]


def test_a_rotation_is_appended_from_the_cache_alone(database: Database) -> None:
    with given.store_on(database) as store, given.store_on(database) as other:
        made = given.world(store)
        for _ in range(3):
            cached = store.cached_standing(made.grant)
            assert cached is not None
            grant = cached.grant.copy()
            given.rotate(grant, cached, made)
            assert store.append_rotation(grant, cached, head=cached.grant.version)
        assert given.standing(other, made).grant.version == 5


def test_a_position_is_waited_for_after_the_sequencer_was_woken(database: Database) -> None:
    with given.store_on(database) as store, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        made = given.world(store)
        connection.execute("LISTEN grantbook_wake")
        member = store.load(Member, made.member)
        assert member is not None
        member.change_password(made.context())
        recorded = store.append([member])
        assert store.position_of(recorded, 0.02) is None
        sequencer = Sequencer(connection)
        answers: list[int | None] = []
        waiting = threading.Thread(target=lambda: answers.append(store.position_of(recorded, 5.0)))
        waiting.start()
        assert [n.channel for n in connection.notifies(timeout=2, stop_after=1)] == ["grantbook_wake"]
        sequencer.sequence()
        waiting.join()
        assert answers == [9]


def test_no_append_notifies(database: Database) -> None:
    """NOTIFY takes a global lock at commit and costs half the rate."""
    with given.store_on(database) as store, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        connection.execute("LISTEN grantbook_wake")
        given.world(store)
        assert list(connection.notifies(timeout=0.2)) == []


def test_a_forked_process_takes_connections_of_its_own(database: Database) -> None:
    with given.store_on(database) as store:
        made = given.world(store)
        mine = store._connections.query("SELECT pg_backend_pid()")
        theirs = in_a_fork(lambda: (given.standing(store, made), store._connections.query("SELECT pg_backend_pid()"))[1])
        assert theirs != repr(mine)
        assert store._connections.query("SELECT pg_backend_pid()") == mine


def in_a_fork(work: Callable[[], object]) -> str:
    """What the work gives in a forked child, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, repr(work()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text
