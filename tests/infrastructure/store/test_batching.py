from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from domain.grant import Grant
from infrastructure.store import batching
from infrastructure.store.connection import Kept
from infrastructure.store.errors import Lost
from infrastructure.store.store import PostgresStore
from tests.infrastructure.store import given
from tests.infrastructure.store.given import World
from tests.support.postgres import Database

THREADS = 8


class Gate:
    """One statement at a time, the first held back until the gate is opened; keeps the names of all that ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fate: Callable[[list[str]], None] = lambda _: None) -> None:
        self.ran: list[str] = []
        self.open = threading.Event()
        self.reached = threading.Event()
        run = Kept.run
        monkeypatch.setattr(batching, "UNDER_WAY", 1)

        def gated(kept: Kept, statement: Any, parameters: Any) -> Any:
            name = statement.name.decode()
            if not name.startswith("shared"):
                return run(kept, statement, parameters)
            self.ran.append(name)
            if len(self.ran) == 1:
                self.reached.set()
                assert self.open.wait(20)
            fate(self.ran)
            return run(kept, statement, parameters)

        monkeypatch.setattr(Kept, "run", gated)


@pytest.fixture
def store(module_database: Database) -> Iterator[PostgresStore]:
    with given.store_on(module_database) as opened:
        yield opened


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool


def grants(store: PostgresStore, count: int) -> list[World]:
    """Grants of one member and client, all in the cache."""
    made = given.world(store)
    worlds = [made]
    for _ in range(count - 1):
        another = World(made.account, made.member, made.client, uuid4())
        given.grant(store, another)
        worlds.append(another)
    for world in worlds:
        given.standing(store, world)
    return worlds


def rotate(store: PostgresStore, made: World) -> bool:
    cached = store.cached_standing(made.grant)
    assert cached is not None
    head = cached.grant.version
    given.rotate(cached.grant, cached, made)
    return store.append_rotation(cached.grant, cached, head=head)


def gathered(store: PostgresStore, gate: Gate, threads: ThreadPoolExecutor, worlds: list[World]) -> list[Future[bool]]:
    """The first rotation under way, the others waiting behind it, then the gate open."""
    first = threads.submit(rotate, store, worlds[0])
    assert gate.reached.wait(20)
    others = [threads.submit(rotate, store, world) for world in worlds[1:]]
    waiting = store._appender._shared._waiting
    deadline = time.monotonic() + 20
    while len(waiting) < len(others) and time.monotonic() < deadline:
        time.sleep(0.005)
    gate.open.set()
    return [first, *others]


def versions(store: PostgresStore, worlds: list[World]) -> list[int]:
    return [found.version for world in worlds if (found := store.load(Grant, world.grant)) is not None]


def test_rotations_that_wait_behind_one_under_way_are_stored_by_one_statement(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, threads: ThreadPoolExecutor
) -> None:
    worlds = grants(store, 5)
    before = versions(store, worlds)
    gate = Gate(monkeypatch)
    assert all(future.result(20) for future in gathered(store, gate, threads, worlds))
    assert gate.ran == ["shared_1", "shared_4"]
    assert versions(store, worlds) == [version + 1 for version in before]


def test_a_row_whose_condition_fails_leaves_the_others_of_its_batch_alone(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, threads: ThreadPoolExecutor
) -> None:
    worlds = grants(store, 4)
    gate = Gate(monkeypatch)
    revoked = store.load(Grant, worlds[2].grant)
    assert revoked is not None
    store_elsewhere = revoked.copy()
    store_elsewhere.revoke("admin", worlds[2].context())
    first = threads.submit(rotate, store, worlds[0])
    assert gate.reached.wait(20)
    others = [threads.submit(rotate, store, world) for world in worlds[1:]]
    while len(store._appender._shared._waiting) < 3:
        time.sleep(0.005)
    store.append_ending([store_elsewhere])
    gate.open.set()
    assert [first.result(20), *(o.result(20) for o in others)] == [True, True, False, True]


def test_two_rotations_for_the_same_place_never_share_a_statement(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, threads: ThreadPoolExecutor
) -> None:
    worlds = grants(store, 3)
    before = versions(store, worlds)
    gate = Gate(monkeypatch)
    results = [f.result(20) for f in gathered(store, gate, threads, [worlds[0], worlds[1], worlds[1], worlds[2]])]
    assert gate.ran == ["shared_1", "shared_2", "shared_1"]
    assert sorted(results) == [False, True, True, True]
    assert versions(store, worlds) == [version + 1 for version in before]


@pytest.mark.parametrize("after", [True, False])
def test_each_rotation_of_a_lost_batch_finds_its_own_fate(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, threads: ThreadPoolExecutor, after: bool
) -> None:
    worlds = grants(store, 4)
    before = versions(store, worlds)
    run = Kept.run
    lost: list[str] = []

    def breaking(kept: Kept, statement: Any, parameters: Any) -> Any:
        if statement.name == b"shared_3" and not lost:
            lost.append("gone")
            if after:
                run(kept, statement, parameters)
            kept.connection.close()
            raise Lost("gone")
        return run(kept, statement, parameters)

    monkeypatch.setattr(Kept, "run", breaking)
    gate = Gate(monkeypatch)
    assert all(future.result(20) for future in gathered(store, gate, threads, worlds))
    assert lost
    assert versions(store, worlds) == [version + 1 for version in before]


def test_many_threads_on_few_grants_store_each_version_once(store: PostgresStore, threads: ThreadPoolExecutor) -> None:
    worlds = grants(store, 3)
    before = versions(store, worlds)
    results = [threads.submit(rotate, store, worlds[n % 3]) for n in range(120)]
    stored = sum(result.result(60) for result in results)
    assert sum(versions(store, worlds)) - sum(before) == stored
    assert stored >= 3
