from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from application.ports import Conflict
from domain.base import Personal
from domain.member import Member
from infrastructure.store.cache import TimedCache
from infrastructure.store.errors import SealingImpossible
from infrastructure.store.keyring import CACHE_SECONDS, Keyring
from tests.infrastructure.store import given
from tests.support.postgres import Database

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def keyring(database: Database) -> Iterator[Keyring]:
    made = Keyring(database.web_dsn, given.WRAPPING_KEYS)
    yield made
    made.connections.close()


def admitted(keyring: Keyring) -> str:
    subject = str(uuid4())
    keyring.begin_subject(subject, subject, str(uuid4()))
    return subject


def erase(owner: psycopg.Connection[Any], subject: str) -> None:
    owner.execute("DELETE FROM subjects WHERE subject = %s", (subject,))


def test_what_is_sealed_can_be_opened_by_another_process(keyring: Keyring, database: Database) -> None:
    subject = admitted(keyring)
    sealed = keyring.seal(Personal(subject, "lovelace@example.com"), "e:1", AT)
    assert "lovelace" not in str(sealed)
    assert Keyring(database.web_dsn, given.WRAPPING_KEYS).open(sealed, "e:1") == "lovelace@example.com"
    assert keyring.open(sealed, "e:2") is None


def test_a_subject_has_one_key_per_period_whoever_is_first(database: Database, owner: psycopg.Connection[Any]) -> None:
    subject = admitted(Keyring(database.web_dsn, given.WRAPPING_KEYS))
    start = threading.Barrier(6)
    kids: list[str] = []

    def seal() -> None:
        own = Keyring(database.web_dsn, given.WRAPPING_KEYS)
        start.wait()
        kids.append(own.seal(Personal(subject, "x"), "e:1", AT).kid)
        own.connections.drop()

    threads = [threading.Thread(target=seal) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(kids)) == 1
    assert owner.execute("SELECT period FROM subject_keys WHERE subject = %s", (subject,)).fetchall() == [("2026Q4",)]


def test_a_key_is_committed_before_its_first_use(database: Database, owner: psycopg.Connection[Any]) -> None:
    with given.store_on(database) as store:
        made = given.world(store)
        member = store.load(Member, made.member)
        assert member is not None
        later = made.context(now=datetime(2027, 2, 1, tzinfo=UTC))
        member.deactivate(later)
        before = owner.execute("SELECT count(*) FROM subject_keys").fetchone()

        def fail(_: Any) -> None:
            seen = owner.execute("SELECT count(*) FROM subject_keys WHERE period = '2027Q1'").fetchone()
            assert seen == (1,)
            raise RuntimeError

        with pytest.raises(RuntimeError):
            store.append([member], also=fail)
        assert before is not None
        assert owner.execute("SELECT count(*) FROM subject_keys").fetchone() == (before[0] + 1,)


def test_an_erased_subject_reads_as_none_and_never_as_an_error(keyring: Keyring, database: Database, owner: psycopg.Connection[Any]) -> None:
    subject = admitted(keyring)
    sealed = keyring.seal(Personal(subject, "x"), "e:1", AT)
    erase(owner, subject)
    assert Keyring(database.web_dsn, given.WRAPPING_KEYS).open(sealed, "e:1") is None
    assert owner.execute("SELECT count(*) FROM subject_keys WHERE subject = %s", (subject,)).fetchone() == (0,)


def test_an_erased_subject_gets_no_new_key_and_nothing_of_the_value_is_kept(keyring: Keyring, owner: psycopg.Connection[Any]) -> None:
    subject = admitted(keyring)
    erase(owner, subject)
    sealed = keyring.seal(Personal(subject, "x"), "e:1", AT)
    assert (sealed.sub, sealed.kid, sealed.ct) == (subject, "", "")
    assert keyring.open(sealed, "e:1") is None
    assert owner.execute("SELECT count(*) FROM subject_keys").fetchone() == (0,)


def test_a_key_made_while_its_subject_is_being_erased_does_not_survive(keyring: Keyring, owner: psycopg.Connection[Any]) -> None:
    subject = admitted(keyring)
    found: list[Any] = []
    owner.autocommit = False
    erase(owner, subject)
    thread = threading.Thread(target=lambda: found.append(keyring.seal(Personal(subject, "x"), "e:1", AT)))
    thread.start()
    time.sleep(0.2)
    assert thread.is_alive()
    owner.commit()
    thread.join(5)
    assert found[0].kid == ""
    assert owner.execute("SELECT count(*) FROM subject_keys").fetchone() == (0,)


def test_an_erased_member_is_never_admitted_again(database: Database, owner: psycopg.Connection[Any]) -> None:
    with given.store_on(database) as store:
        made = given.world(store)
        erase(owner, str(made.member))
        again = Member.add(made.member, made.context(), role="Member", permissions=(), projects="*", name=None, email=None)
        with pytest.raises(Conflict):
            store.append([again])
        assert owner.execute("SELECT count(*) FROM subjects WHERE subject = %s", (str(made.member),)).fetchone() == (0,)


def test_the_tail_that_brings_an_erasure_drops_the_cached_keys(database: Database) -> None:
    with given.store_on(database) as store, given.store_on(database) as other:
        made = given.world(store)
        assert store.keyring.has_current(str(made.member), given.clock())
        member = other.load(Member, made.member)
        assert member is not None
        member.record(Member.Erased, made.context(), kids=(), request=None)
        other.append([member])
        given.standing(store, made)
        assert not store.keyring.has_current(str(made.member), given.clock())


def test_keys_are_forgotten_after_a_minute() -> None:
    now = [0.0]
    cache: TimedCache[str, int] = TimedCache(2, CACHE_SECONDS, clock=lambda: now[0])
    cache.put("a", 1)
    now[0] = 59.9
    assert cache.get("a") == 1
    now[0] = 60.0
    assert cache.get("a") is None
    assert CACHE_SECONDS <= 60


def test_the_cache_of_keys_is_bounded() -> None:
    cache: TimedCache[int, int] = TimedCache(10, 60)
    for n in range(100):
        cache.put(n, n)
    assert len(cache) == 10
    assert cache.get(99) == 99


def test_a_rotated_wrapping_key_still_opens_and_a_destroyed_one_reads_as_erased(keyring: Keyring, database: Database) -> None:
    subject = admitted(keyring)
    sealed = keyring.seal(Personal(subject, "x"), "e:1", AT)
    assert Keyring(database.web_dsn, (b"n" * 32, *given.WRAPPING_KEYS)).open(sealed, "e:1") == "x"
    without = Keyring(database.web_dsn, (b"n" * 32,))
    assert without.open(sealed, "e:1") is None
    with pytest.raises(SealingImpossible, match="GRANTBOOK_WRAPPING_KEYS"):
        without.seal(Personal(subject, "x"), "e:1", AT)


def test_many_keys_are_read_by_one_statement(keyring: Keyring, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = [keyring.seal(Personal(admitted(keyring), str(n)), "e:1", AT) for n in range(5)]
    own = Keyring(database.web_dsn, given.WRAPPING_KEYS)
    statements: list[str] = []
    query = own.connections.query

    def counted(sql: str, parameters: Any = ()) -> Any:
        statements.append(sql)
        return query(sql, parameters)

    monkeypatch.setattr(own.connections, "query", counted)
    own.prefetch(blob.kid for blob in blobs)
    assert [own.open(blob, "e:1") for blob in blobs] == ["0", "1", "2", "3", "4"]
    assert len(statements) == 1


def test_a_blob_under_another_subjects_key_does_not_open(keyring: Keyring) -> None:
    sealed = keyring.seal(Personal(admitted(keyring), "x"), "e:1", AT)
    assert keyring.open(type(sealed)(str(uuid4()), sealed.kid, sealed.n, sealed.ct, sealed.kc), "e:1") is None
