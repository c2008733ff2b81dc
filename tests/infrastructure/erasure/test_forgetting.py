from __future__ import annotations

import threading
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from application import erase_member
from infrastructure.erasure.forgetting import Forgetting
from infrastructure.store.keyring import Keyring
from tests.support.oauth_world import CLI, World


@pytest.fixture
def worker(world: World) -> Iterator[tuple[Keyring, Forgetting]]:
    """Another process's keyring, which listens."""
    stop, keyring = threading.Event(), Keyring(world.database.web_dsn, world.app.settings.wrapping_keys)
    thread = Forgetting(world.database.web_dsn, keyring, stop)
    thread.start()
    assert thread.listening.wait(10)
    yield keyring, thread
    stop.set()
    with psycopg.connect(world.database.web_dsn, autocommit=True) as connection:
        connection.execute("NOTIFY grantbook_erased")
    thread.join(10)


def soon(condition: object) -> bool:
    waiting = threading.Event()
    return any(condition() or waiting.wait(0.02) for _ in range(500))  # type: ignore[operator]


def test_a_worker_that_knows_the_key_forgets_it_when_another_erases(world: World, worker: tuple[Keyring, Forgetting]) -> None:
    keyring, _ = worker
    gone, stays = world.member("Analyst"), world.member("Analyst")
    sealed = {who: world.events(who)[0].name for who in (gone, stays)}  # type: ignore[attr-defined]  # member.added has it
    assert [keyring.open(sealed[who], f"{who}:1") for who in (gone, stays)] == ["M", "M"]
    erase_member.erase(world.services, world.account_id, UUID(gone), origin=CLI)
    assert soon(lambda: keyring.open(sealed[gone], f"{gone}:1") is None)
    assert keyring.open(sealed[stays], f"{stays}:1") == "M"


def test_whoever_was_not_listening_forgets_everything(world: World, worker: tuple[Keyring, Forgetting]) -> None:
    keyring, thread = worker
    who = world.member("Analyst")
    sealed = world.events(who)[0].name  # type: ignore[attr-defined]  # member.added has it
    assert keyring.open(sealed, f"{who}:1") == "M"
    with psycopg.connect(world.database.web_dsn, autocommit=True) as connection:
        ours = "datname = current_database() AND query LIKE 'LISTEN grantbook_erased%'"
        assert connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}".encode()).fetchall()
    assert soon(lambda: keyring.cached_keys == 0)
    assert soon(thread.listening.is_set)
