from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from domain.account import Account
from domain.client import Client
from domain.consent import Consent
from domain.grant import Grant
from domain.member import Member
from infrastructure.store import snapshots
from infrastructure.store.connection import Kept
from infrastructure.store.errors import UnknownTopic, UnreadableEvent
from infrastructure.store.statements import tail
from infrastructure.store.store import PostgresStore
from tests.infrastructure.store import given
from tests.support.postgres import Database

STREAMS = ("grant", "consent", "client", "member", "account")


@pytest.fixture
def database(module_database: Database) -> Database:
    """One for all: each test has a world of its own in it."""
    return module_database


@pytest.fixture
def store(database: Database) -> Iterator[PostgresStore]:
    with given.store_on(database) as made:
        yield made


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of prepared statements, as they are run."""
    seen: list[str] = []
    run = Kept.run

    def counted(self: Kept, statement: Any, parameters: Any) -> Any:
        seen.append(statement.name.decode())
        return run(self, statement, parameters)

    monkeypatch.setattr(Kept, "run", counted)
    return seen


def rotate(store: PostgresStore, made: given.World, times: int) -> None:
    for _ in range(times):
        on = store.cached_standing(made.grant) or given.standing(store, made)
        grant = on.grant.copy()
        given.rotate(grant, on, made)
        assert store.append_rotation(grant, on, head=on.grant.version)


def test_a_warm_standing_is_one_tail_query_over_five_streams(store: PostgresStore, statements: list[str]) -> None:
    made = given.world(store)
    statements.clear()
    given.standing(store, made)
    assert statements == ["tail_5"]


def test_a_cached_standing_asks_nothing(store: PostgresStore, statements: list[str]) -> None:
    made = given.world(store)
    given.standing(store, made)
    statements.clear()
    assert store.cached_standing(made.grant) is not None
    assert store.cached_standing(uuid4()) is None
    assert statements == []


def test_a_standing_at_hand_asks_for_nothing_but_a_grant_that_is_not_cached(database: Database, statements: list[str]) -> None:
    with given.store_on(database) as store, given.store_on(database) as other:
        made = given.world(store)
        assert other.standing_at_hand(made.grant) is None
        given.standing(other, made)
        rotate(store, made, 1)
        statements.clear()
        on = other.standing_at_hand(made.grant)
        assert on is not None
        assert statements == []
        other._cache._entries.pop(made.grant.int)
        on = other.standing_at_hand(made.grant)
        assert on is not None
        assert (on.grant.version, statements) == (3, ["snapshot_and_tail"])
        assert on.grant is not other.standing_at_hand(made.grant)[0]  # type: ignore[index]  # there
        assert other.standing_at_hand(uuid4()) is None


def test_a_completely_cold_standing_is_two_round_trips_and_brings_the_members_key(database: Database, statements: list[str]) -> None:
    with given.store_on(database) as store, given.store_on(database) as cold:
        made = given.world(store)
        statements.clear()
        on = given.standing(cold, made)
        assert statements == ["snapshot_and_tail", "tail_5_key"]
        assert cold.keyring.has_current(str(made.member), given.clock())
        assert on.judged == given.standing(store, made).judged


def test_several_streams_are_loaded_by_one_statement_and_one_more_where_a_grant_is_cold(database: Database, statements: list[str]) -> None:
    with given.store_on(database) as store, given.store_on(database) as cold:
        made = given.world(store)
        statements.clear()
        found = cold.load_many([(Member, made.member), (Grant, made.grant), (Client, uuid4()), (Account, made.account)])
        assert [type(f).__name__ for f in found] == ["Member", "Grant", "NoneType", "Account"]
        assert statements == ["newest_snapshots", "tail_4"]
        statements.clear()
        cold.load_many([(Member, made.member), (Grant, made.grant), (Client, made.client)])
        assert statements == ["tail_3"]
        assert cold.load_many([]) == []


def test_several_standings_are_one_tail_query_and_one_more_for_each_kind_of_cold_grant(database: Database, statements: list[str]) -> None:
    with given.store_on(database) as store, given.store_on(database) as cold:
        worlds = [given.world(store) for _ in range(3)]
        rotate(store, worlds[0], 101)
        wanted = [made.grant for made in worlds]
        for reader in (store, cold):
            alone = [reader.standing(grant_id) for grant_id in (*wanted, uuid4())]
            again = reader.standings([*wanted, uuid4()])
            assert [on and (on.grant.version, on.judged) for on in again] == [on and (on.grant.version, on.judged) for on in alone]
        statements.clear()
        assert [type(found).__name__ for found in store.standings([wanted[2], wanted[0], wanted[2]])] == ["Standing"] * 3
        assert statements == ["tail_many"]
        rotate(store, worlds[1], 1)
        assert cold.standings(wanted[1:2])[0].grant.version == 3  # type: ignore[union-attr]  # there
    with given.store_on(database) as fresh:
        statements.clear()
        assert all(fresh.standings(wanted))
        assert statements == ["newest_snapshots", "tail_3", "tail_many"]
        assert fresh.standings([]) == []


def test_what_others_appended_is_seen_by_the_next_read(database: Database) -> None:
    with given.store_on(database) as store, given.store_on(database) as other:
        made = given.world(store)
        given.standing(other, made)
        rotate(other, made, 3)
        assert given.standing(store, made).grant.version == 5
        cached = store.cached_standing(made.grant)
        assert cached is not None
        assert cached.grant.version == 5


def test_absence_is_never_cached(database: Database) -> None:
    with given.store_on(database) as store, given.store_on(database) as other:
        made = given.world(store)
        new = given.World(made.account, made.member, made.client, uuid4())
        assert other.standing(new.grant) is None
        assert other.load(Grant, new.grant) is None
        given.grant(store, new)
        assert other.load(Grant, new.grant) is not None
        assert other.standing(new.grant) is not None


def test_a_stream_of_another_kind_is_as_good_as_none(database: Database) -> None:
    with given.store_on(database) as store, given.store_on(database) as cold:
        made = given.world(store)
        for reader in (store, cold):
            assert reader.load(Client, made.grant) is None
            assert reader.load(Grant, made.client) is None
            assert reader.standing(made.member) is None
            assert reader.load(Grant, made.grant) is not None
            assert reader.load(Client, made.grant) is None


def test_an_unknown_topic_is_refused_and_leaves_the_cache_as_it_was(database: Database) -> None:
    with given.store_on(database) as store, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        made = given.world(store)
        version = given.standing(store, made).grant.version
        sql = "INSERT INTO events (originator_id, originator_version, topic, state, account_id) VALUES (%s, %s, 'grant.dreamt_of', '{}', %s)"
        connection.execute(sql, (made.grant, version + 1, made.account))
        with pytest.raises(UnknownTopic, match=r"grant\.dreamt_of"):
            store.standing(made.grant)
        cached = store.cached_standing(made.grant)
        assert cached is not None
        assert cached.grant.version == version
        stream = uuid4()
        connection.execute(sql, (stream, 1, made.account))
        with pytest.raises(UnknownTopic):
            store.load(Member, stream)


def test_what_a_caller_does_to_a_loaded_stream_does_not_reach_the_cache(store: PostgresStore) -> None:
    made = given.world(store)
    on = given.standing(store, made)
    for again in (on, store.cached_standing(made.grant)):
        assert again is not None
        again.grant.revoke("admin", made.context())
    consent = store.load(Consent, made.consent)
    assert consent is not None
    consent.withdraw(made.context())
    loaded = store.load(Member, made.member)
    assert loaded is not None
    assert loaded.active
    loaded.deactivate(made.context())
    fresh = given.standing(store, made)
    assert (fresh.member.active, fresh.grant.ended, fresh.consent.in_force) == (True, None, True)


def test_a_fold_works_on_a_copy_of_what_is_cached(database: Database) -> None:
    with given.store_on(database) as store, given.store_on(database) as other:
        made = given.world(store)
        given.standing(other, made)
        cached = store._loader._cache.get(made.grant)
        assert cached is not None
        before = dict(vars(cached))
        rotate(other, made, 2)
        assert given.standing(store, made).grant.version == 4
        assert vars(cached) == before


# ---- snapshots


def test_a_long_grant_is_loaded_from_its_snapshot_and_what_came_after(database: Database, statements: list[str]) -> None:
    with given.store_on(database) as store:
        made = given.world(store)
        rotate(store, made, 205)
    with given.store_on(database) as cold, psycopg.connect(database.superuser_dsn, autocommit=True) as admin:
        rows = admin.execute("SELECT originator_version, topic FROM snapshots WHERE originator_id = %s", (made.grant,)).fetchall()
        assert rows == [(200, snapshots.TOPIC)]
        from_snapshot = given.standing(cold, made).grant
    with given.store_on(database) as whole, psycopg.connect(database.superuser_dsn, autocommit=True) as admin:
        admin.execute("DELETE FROM snapshots")
        folded = given.standing(whole, made).grant
    assert vars(from_snapshot) == vars(folded)
    assert folded.version == 207


def test_several_long_grants_are_loaded_from_their_snapshots_too(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with given.store_on(database) as store:
        worlds = [given.world(store) for _ in range(3)]
        for made, times in zip(worlds, (103, 98, 5), strict=True):
            rotate(store, made, times)
    rows: list[int] = []
    run = Kept.run

    def counted(self: Kept, statement: Any, parameters: Any) -> Any:
        result = run(self, statement, parameters)
        rows.append(result.ntuples)
        return result

    monkeypatch.setattr(Kept, "run", counted)
    with given.store_on(database) as cold:
        found = cold.load_many([(Grant, made.grant) for made in worlds])
        assert [grant.version for grant in found] == [105, 100, 7]
        assert rows == [2, 5 + 0 + 7]  # the snapshots, then what came after them
        assert [grant.version for grant in cold.load_many([(Grant, made.grant) for made in worlds])] == [105, 100, 7]
        assert rows[2:] == [0]


def test_a_snapshot_of_another_form_is_left_unread(database: Database) -> None:
    with given.store_on(database) as store, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        made = given.world(store)
        connection.execute("INSERT INTO snapshots VALUES (%s, 2, 'grant.snapshot.0', 'not even JSON')", (made.grant,))
        with given.store_on(database) as cold:
            assert given.standing(cold, made).grant.version == 2


@pytest.mark.parametrize("state", ["not even JSON", "[]", "{}", '{"pinned":{}}'])
def test_a_damaged_snapshot_is_passed_over(database: Database, state: str) -> None:
    with given.store_on(database) as store, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        made = given.world(store)
        connection.execute("INSERT INTO snapshots VALUES (%s, 2, %s, %s)", (made.grant, snapshots.TOPIC, state.encode()))
        with given.store_on(database) as cold:
            assert given.standing(cold, made).grant.version == 2


@pytest.mark.parametrize("version", [3, 9])
def test_a_history_that_cannot_be_folded_is_refused_and_never_guessed_at(database: Database, version: int) -> None:
    with given.store_on(database) as store, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        made = given.world(store)
        sql = """INSERT INTO events (originator_id, originator_version, topic, state, account_id)
        SELECT %s, %s, topic, state, account_id FROM events WHERE originator_id = %s AND originator_version = 1"""
        connection.execute(sql, (made.grant, version, made.member))
        with pytest.raises(UnreadableEvent):
            store.standing(made.grant)


def test_a_snapshot_holds_every_attribute_of_a_grant(store: PostgresStore) -> None:
    made = given.world(store)
    rotate(store, made, 1)
    grant = given.standing(store, made).grant
    from infrastructure.store.fold import Row

    back = snapshots.decode(Row(grant.id, grant.version, snapshots.TOPIC, snapshots.encode(grant)))
    assert back is not None
    assert vars(back) == vars(grant)
    assert asdict(back.pinned) == asdict(grant.pinned)


def test_the_form_of_snapshots_changes_with_the_grant() -> None:
    """Whoever changes the attributes of a grant raises the number in `snapshots.TOPIC`, then these lines."""
    assert snapshots.TOPIC == "grant.snapshot.1"
    assert sorted(Grant.__init__.__code__.co_names) == sorted(GRANT_STATE)


GRANT_STATE = (
    "Pinned", "account_id", "as_projects", "client_id", "code_challenge", "code_key_id", "consent_id", "ended", "exchanged", "for_client", "issued",
    "keep_alive", "lifetimes", "member_id", "pinned", "previous", "projects", "redirect_uri", "redirect_uri_sent", "refreshable", "replay_noted",
    "replay_streak", "resource", "scopes", "tuple",
)  # fmt: skip


def test_readers_and_writers_of_one_grant_in_many_threads_see_only_whole_states(store: PostgresStore) -> None:
    made = given.world(store)
    stop = threading.Event()
    wrong: list[Any] = []

    def read() -> None:
        last = 0
        while not stop.is_set():
            grant = given.standing(store, made).grant
            if grant.issued is None or grant.issued.version != grant.version or grant.version < last:
                wrong.append((grant.version, grant.issued))
            last = grant.version

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    rotate(store, made, 150)
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong


def test_the_tail_goes_by_the_index_even_where_long_grants_make_another_plan_look_cheaper(store: PostgresStore) -> None:
    made = given.world(store)
    for _ in range(30):
        on = given.standing(store, made)
        given.rotate(on.grant, on, made)
        store.append([on.grant])
    kept = store._connections.get()
    statement = tail(5)
    kept.connection.pgconn.prepare(b"explained", statement.sql, statement.oids)
    nowhere = ", ".join([f"'{uuid4()}', 1"] * 5)
    plan = "\n".join(row[0] for row in kept.connection.execute(f"EXPLAIN EXECUTE explained({nowhere})".encode()).fetchall())
    assert plan.count("Index Scan using events_pkey") == 5, plan
