from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from application.ports import Busy, Conflict, Tables
from domain.account import Account
from domain.activity import Activity
from domain.client import Client
from domain.consent import Consent
from domain.errors import AlreadyExists, InvalidInput
from domain.grant import Grant
from domain.member import Member
from infrastructure.store.connection import Kept
from infrastructure.store.errors import Lost
from infrastructure.store.store import PostgresStore
from tests.infrastructure.store import given
from tests.support.postgres import Database


@pytest.fixture
def database(module_database: Database) -> Database:
    """One for all: each test has a world of its own in it."""
    return module_database


@pytest.fixture
def store(database: Database) -> Iterator[PostgresStore]:
    with given.store_on(database) as made:
        yield made


@pytest.fixture
def other(database: Database) -> Iterator[PostgresStore]:
    with given.store_on(database) as made:
        yield made


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        yield connection


def events(owner: psycopg.Connection[Any], stream: Any = None) -> int:
    row = owner.execute("SELECT count(*) FROM events WHERE %s::uuid IS NULL OR originator_id = %s", (stream, stream)).fetchone()
    assert row is not None
    return int(row[0])


def deactivate(store: PostgresStore, made: given.World) -> None:
    member = store.load(Member, made.member)
    assert member is not None
    member.deactivate(made.context())
    store.append([member])


def withdraw(store: PostgresStore, made: given.World) -> None:
    consent = store.load(Consent, made.consent)
    assert consent is not None
    consent.withdraw(made.context())
    store.append([consent])


def remove(store: PostgresStore, made: given.World) -> None:
    client = store.load(Client, made.client)
    assert client is not None
    client.remove("admin", made.context())
    store.append([client])


def block(store: PostgresStore, made: given.World) -> None:
    account, client = store.load(Account, made.account), store.load(Client, made.client)
    assert account is not None
    assert client is not None
    account.block_app(client.fingerprint, client.name, made.context())
    store.append([account])


def revoke(store: PostgresStore, made: given.World) -> None:
    grant = store.load(Grant, made.grant)
    assert grant is not None
    grant.revoke("admin", made.context())
    store.append([grant])


ENDINGS = [deactivate, withdraw, remove, block, revoke]


def rotated(store: PostgresStore, made: given.World) -> bool:
    cached = store.cached_standing(made.grant)
    assert cached is not None
    grant = cached.grant.copy()
    given.rotate(grant, cached, made)
    return store.append_rotation(grant, cached, head=cached.grant.version)


# ---- conditional appends


@pytest.mark.parametrize("end", ENDINGS)
def test_an_append_that_grants_is_refused_if_anything_newer_stands_on_one_of_the_five_streams(
    store: PostgresStore, other: PostgresStore, owner: psycopg.Connection[Any], end: Callable[[PostgresStore, given.World], None]
) -> None:
    made = given.world(store)
    on = given.standing(store, made)
    given.rotate(on.grant, on, made)
    end(other, made)
    before = events(owner)
    with pytest.raises(Conflict):
        store.append([on.grant], [on.consent, on.client, on.member, on.account])
    assert events(owner) == before
    assert on.grant.pending_events


@pytest.mark.parametrize("end", ENDINGS)
def test_a_rotation_is_refused_if_anything_newer_stands_on_one_of_the_five_streams(
    store: PostgresStore, other: PostgresStore, owner: psycopg.Connection[Any], end: Callable[[PostgresStore, given.World], None]
) -> None:
    made = given.world(store)
    given.standing(store, made)
    end(other, made)
    before = events(owner)
    assert not rotated(store, made)
    assert events(owner) == before


@pytest.mark.parametrize("end", ENDINGS)
def test_a_rotation_that_skips_others_rotations_still_sees_every_other_event(
    store: PostgresStore, other: PostgresStore, end: Callable[[PostgresStore, given.World], None]
) -> None:
    made = given.world(store)
    stale = given.standing(store, made)
    for _ in range(3):
        given.standing(other, made)
        assert rotated(other, made)
    head = given.standing(other, made).grant
    assert head.version == stale.grant.version + 3
    ahead = head.copy()
    given.rotate(ahead, stale, made)
    end(other, made)
    assert not store.append_rotation(ahead, stale, head=head.version)


def test_anything_but_rotations_between_the_cached_version_and_the_head_blocks_the_fast_path(store: PostgresStore, other: PostgresStore) -> None:
    made = given.world(store)
    stale = given.standing(store, made)
    on = given.standing(other, made)
    on.grant.note_replay(made.context(), "jti")
    other.append([on.grant])
    assert rotated(other, made)
    head = given.standing(other, made).grant
    ahead = head.copy()
    given.rotate(ahead, stale, made)
    assert not store.append_rotation(ahead, stale, head=head.version)
    assert store.append_rotation(ahead, given.standing(store, made), head=head.version)


def test_a_rotation_skips_over_rotations_that_are_not_in_the_cache(store: PostgresStore, other: PostgresStore) -> None:
    made = given.world(store)
    stale = given.standing(store, made)
    for _ in range(3):
        given.standing(other, made)
        assert rotated(other, made)
    head = given.standing(other, made).grant
    ahead = head.copy()
    given.rotate(ahead, stale, made)
    assert store.append_rotation(ahead, stale, head=head.version)
    cached = store.cached_standing(made.grant)
    assert cached is not None
    assert cached.grant.version == head.version + 1


def test_a_rotation_needs_its_head_to_exist(store: PostgresStore, owner: psycopg.Connection[Any]) -> None:
    made = given.world(store)
    on = given.standing(store, made)
    imagined = on.grant.copy()
    imagined._version += 5
    given.rotate(imagined, on, made)
    before = events(owner)
    assert not store.append_rotation(imagined, on, head=on.grant.version + 5)
    assert events(owner) == before


def test_one_of_two_rotations_from_the_same_head_is_refused(store: PostgresStore, other: PostgresStore) -> None:
    made = given.world(store)
    given.standing(store, made)
    given.standing(other, made)
    assert rotated(store, made)
    assert not rotated(other, made)


def test_several_rows_are_stored_together_or_not_at_all(store: PostgresStore, owner: psycopg.Connection[Any]) -> None:
    made = given.world(store)
    taken = given.standing(store, made).grant
    given.rotate(taken, given.standing(store, made), made)
    first = Activity.performed(uuid4(), made.context(), **ACTION)
    revoke(store, made)
    before = events(owner)
    with pytest.raises(Conflict):
        store.append([first, taken])
    assert events(owner) == before


ACTION = {"grant_id": "g", "client_id": "c", "resource": "r", "operation": "o", "scope": None, "projects": (), "outcome": "ok", "detail": None}


def test_nothing_pending_is_a_mistake_of_the_caller(store: PostgresStore) -> None:
    made = given.world(store)
    with pytest.raises(ValueError, match="nothing"):
        store.append([given.standing(store, made).grant])


def test_an_event_larger_than_an_entry_of_the_log_is_refused(store: PostgresStore) -> None:
    made = given.world(store)
    with pytest.raises(InvalidInput):
        store.append([Activity.performed(uuid4(), made.context(), **{**ACTION, "operation": "x" * 66_000})])


def test_what_was_appended_is_cached_as_it_was_stored(store: PostgresStore, other: PostgresStore) -> None:
    made = given.world(store)
    warm, cold = given.standing(store, made), given.standing(other, made)
    for part in ("grant", "consent", "client", "member", "account"):
        assert vars(getattr(warm, part)) == vars(getattr(cold, part))


# ---- ordinary tables in the same transaction


def test_tables_are_written_in_the_appends_own_transaction_after_the_events(store: PostgresStore, owner: psycopg.Connection[Any]) -> None:
    made = given.world(store)
    member = store.load(Member, made.member)
    assert member is not None
    member.change_password(made.context())
    store.append([member], also=lambda tables: tables.set_meta(str(made.member), "1"))
    row = owner.execute(
        "SELECT e.xid::text = m.xmin::text FROM events e, store_meta m "
        "WHERE e.originator_id = %s AND e.topic = 'member.password_changed' AND m.key = %s",
        (made.member, str(made.member)),
    ).fetchone()
    assert row == (True,)


def test_if_the_tables_refuse_no_event_is_stored(store: PostgresStore, owner: psycopg.Connection[Any]) -> None:
    made = given.world(store)
    login = (str(made.account), "password", "", b"k", str(made.member), None)
    store.tables().add_login(*login)
    member = store.load(Member, made.member)
    assert member is not None
    member.change_password(made.context())
    before = events(owner)
    with pytest.raises(AlreadyExists):
        store.append([member], also=lambda tables: tables.add_login(*login))
    assert events(owner) == before
    assert store.tables().login(*login[:4]) == (str(made.member), None)


def test_on_a_conflict_the_tables_are_left_alone(store: PostgresStore) -> None:
    made = given.world(store)
    member = store.load(Member, made.member)
    assert member is not None
    member.change_password(made.context())
    deactivate(store, made)
    with pytest.raises(Conflict):
        store.append([member], also=lambda tables: tables.set_meta(str(made.member), "1"))
    assert store.tables().meta(str(made.member)) is None


# ---- lost connections and time-outs


def lose(monkeypatch: pytest.MonkeyPatch, *, after: bool, times: int = 1, before_losing: Callable[[], None] | None = None) -> list[str]:
    """Break the next appends' connections, after or before the statement took effect."""
    run = Kept.run
    lost: list[str] = []

    def broken(self: Kept, statement: Any, parameters: Any) -> Any:
        if statement.name.startswith((b"append", b"shared")) and len(lost) < times:
            lost.append(statement.name.decode())
            if after:
                run(self, statement, parameters)
            if before_losing is not None:
                before_losing()
            self.connection.close()
            raise Lost("gone")
        return run(self, statement, parameters)

    monkeypatch.setattr(Kept, "run", broken)
    return lost


@pytest.mark.parametrize("after", [True, False])
def test_a_lost_connection_neither_loses_nor_doubles_an_append(
    store: PostgresStore, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    made = given.world(store)
    on = given.standing(store, made)
    given.rotate(on.grant, on, made)
    before = events(owner)
    lost = lose(monkeypatch, after=after)
    store.append([on.grant], [on.consent, on.client, on.member, on.account])
    assert lost
    assert events(owner) == before + 1


@pytest.mark.parametrize("after", [True, False])
def test_a_lost_connection_neither_loses_nor_doubles_a_rotation(
    store: PostgresStore, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    made = given.world(store)
    given.standing(store, made)
    before = events(owner)
    lost = lose(monkeypatch, after=after)
    assert rotated(store, made)
    assert lost
    assert events(owner) == before + 1


@pytest.mark.parametrize("after", [True, False])
def test_a_connection_lost_with_tables_leaves_all_or_nothing_and_then_all(
    store: PostgresStore, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    made = given.world(store)
    member = store.load(Member, made.member)
    assert member is not None
    member.change_password(made.context())
    before = events(owner)
    calls: list[int] = []

    def also(tables: Tables) -> None:
        calls.append(1)
        tables.set_meta(str(made.member), str(len(calls)))

    lose(monkeypatch, after=after)
    store.append([member], also=also)
    assert events(owner) == before + 1
    assert store.tables().meta(str(made.member)) == "1"


def test_after_a_lost_connection_another_events_place_is_a_conflict(
    store: PostgresStore, other: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = given.world(store)
    member = store.load(Member, made.member)
    assert member is not None
    member.change_password(made.context())
    lose(monkeypatch, after=False, before_losing=lambda: deactivate(other, made))
    with pytest.raises(Conflict):
        store.append([member])


def test_two_lost_connections_in_a_row_are_busy(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    made = given.world(store)
    member = store.load(Member, made.member)
    assert member is not None
    member.change_password(made.context())
    lose(monkeypatch, after=False, times=2)
    with pytest.raises(Busy):
        store.append([member])


def test_a_backend_that_was_ended_is_replaced_without_a_word(store: PostgresStore, database: Database) -> None:
    made = given.world(store)
    with psycopg.connect(database.superuser_dsn, autocommit=True) as admin:
        for work in (lambda: rotated(store, made), lambda: given.standing(store, made), lambda: store.tables().meta("x")):
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'grantbook-decide' AND datname = current_database()"
            )
            time.sleep(0.05)
            assert work() is not False


def test_a_database_that_is_away_is_busy(store: PostgresStore, database: Database) -> None:
    made = given.world(store)
    given.standing(store, made)
    with psycopg.connect(database.superuser_dsn, autocommit=True, dbname="postgres") as admin:
        admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database.name,))
        time.sleep(0.05)
        with pytest.raises(Busy):
            store.standing(made.grant)
        with pytest.raises(Busy):
            rotated(store, made)
        admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")
    assert rotated(store, made)


def test_an_append_that_waits_for_another_longer_than_the_time_out_is_busy(store: PostgresStore, database: Database) -> None:
    made = given.world(store)
    on = given.standing(store, made)
    with psycopg.connect(database.superuser_dsn) as blocker:
        place(blocker, made.grant, on.grant.version + 1, made.account)
        with pytest.raises(Busy):
            rotated(store, made)
        blocker.rollback()
    assert rotated(store, made)


def place(connection: psycopg.Connection[Any], stream: Any, version: int, account: Any) -> None:
    connection.execute(
        "INSERT INTO events (originator_id, originator_version, topic, state, account_id) VALUES (%s, %s, 't', '{}', %s)", (stream, version, account)
    )


def test_twenty_writers_on_one_stream_never_lose_a_version(store: PostgresStore, owner: psycopg.Connection[Any]) -> None:
    made = given.world(store)
    first = given.standing(store, made).grant.version
    won: list[int] = []

    def work() -> None:
        for _ in range(6):
            on = given.standing(store, made)
            grant = on.grant.copy()
            given.rotate(grant, on, made)
            if store.append_rotation(grant, on, head=on.grant.version):
                won.append(grant.version)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(first + 1, first + 1 + len(won)))
    assert events(owner, made.grant) == first + len(won)
    assert given.standing(store, made).grant.version == first + len(won)
