from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from domain.ids import ledger_stream
from domain.ledger import Ledger
from infrastructure.ledger import live, store
from infrastructure.ledger.kept import KeptCheckpoint, SealRefused
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.verifier import open_checkpoint, root_of
from infrastructure.store.sequencer import LeadershipLost
from tests.infrastructure.ledger.given import ORIGIN, SIGNER, VKEY, Book, book, new_sealer
from tests.support.postgres import Database


@pytest.fixture
def ours(database: Database, tmp_path: Path) -> Iterator[Book]:
    with book(database, tmp_path / "ledger") as made:
        yield made


def newest(ours: Book) -> store.Signed:
    found = store.newest(ours.connection, ORIGIN)
    assert found is not None
    return found


def findings(ours: Book) -> list[str]:
    return [each.message for each in live.findings(ours.connection, SIGNER)]


def as_owner(database: Database, sql: str) -> None:
    with psycopg.connect(database.superuser_dsn, autocommit=True) as admin:
        for table in ("events", "positions", "ledger_checkpoints", "ledger_nodes"):
            admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
        admin.execute(sql.encode())


def test_a_checkpoint_is_signed_over_every_event_and_the_sum_before_it(ours: Book) -> None:
    before = len(store.hashes(ours.connection, 0, 1000))
    size = ours.seal()
    assert size == before + 1
    found, hashes = newest(ours), store.hashes(ours.connection, 0, 1000)
    assert open_checkpoint(found.note, VKEY).root == found.root == root_of(hashes)
    ledger = ours.store.load(Ledger, ledger_stream(str(ours.world.account)))
    assert ledger is not None
    assert (ledger.sum.count, ledger.sum.position) == (before, before)
    assert ours.kept.path.read_text(encoding="utf-8") == found.note
    assert findings(ours) == []


def test_a_sum_alone_causes_no_checkpoint(ours: Book) -> None:
    ours.seal()
    assert ours.seal() is None
    ours.happens()
    assert ours.seal() is not None
    assert ours.seal() is None


def test_the_tree_grows_over_full_tiles_and_terms(ours: Book) -> None:
    ours.happens(120)
    ours.seal()
    ours.happens(160)
    ours.another_term()
    ours.seal()
    ours.happens(270)
    ours.another_term()
    assert ours.seal() == len(store.hashes(ours.connection, 0, 10_000))
    assert len(store.tile(ours.connection, 1, 0, 256)) == 2
    assert newest(ours).root == root_of(store.hashes(ours.connection, 0, 10_000)) == store.tree(ours.connection, newest(ours).size).root()
    assert findings(ours) == []


def test_a_crash_between_sum_and_checkpoint_counts_nothing_twice(ours: Book) -> None:
    ours.seal()
    ours.happens(3)

    class Crash(Exception):
        pass

    def crash() -> None:
        raise Crash

    with pytest.raises(Crash):
        ours.sealer.seal(ours.connection, crash)
    ours.sequencer.sequence()
    ours.another_term()
    assert ours.seal() is not None
    ours.happens(2)
    ours.seal()
    assert findings(ours) == []


def test_two_leaders_never_sign_one_size_twice(ours: Book) -> None:
    ours.seal()
    stale = new_sealer(ours.store, ours.world, KeptCheckpoint(ours.kept.path.parent / "other"))
    assert stale.seal(ours.connection, ours.sequencer.sequence) is None
    ours.happens()
    ours.seal()
    with pytest.raises(LeadershipLost):
        stale.seal(ours.connection, lambda: None)


def test_what_was_signed_can_be_neither_changed_nor_taken_back(ours: Book, database: Database) -> None:
    ours.seal()
    for sql in ("UPDATE ledger_checkpoints SET size = 1", "DELETE FROM ledger_checkpoints", "TRUNCATE ledger_nodes", "DELETE FROM ledger_nodes"):
        with psycopg.connect(database.owner_dsn, autocommit=True) as owner, pytest.raises(InsufficientPrivilege):
            owner.execute(sql.encode())


def test_a_database_that_was_set_back_is_not_signed(ours: Book, database: Database) -> None:
    ours.seal()
    kept = ours.kept.path.read_text(encoding="utf-8")
    ours.happens(2)
    ours.seal()
    as_owner(database, "DELETE FROM ledger_checkpoints WHERE size = (SELECT max(size) FROM ledger_checkpoints)")
    ours.another_term()
    with pytest.raises(SealRefused, match=r"it was set back.*grantbook ledger adopt") as refused:
        ours.seal()
    assert str(ours.kept.path.parent) not in str(refused.value), "/readyz says it to everybody"
    assert refused.value.kept_in == ours.kept.path
    ours.kept.path.write_text(kept, encoding="utf-8")
    ours.another_term()
    assert ours.seal() is not None


def test_a_changed_past_is_not_signed_over(ours: Book, database: Database) -> None:
    ours.seal()
    as_owner(database, "UPDATE positions SET leaf_hash = sha256('x') WHERE position = 3")
    ours.happens()
    ours.another_term()
    with pytest.raises(SealRefused, match="kept beside the database") as refused:
        ours.seal()
    assert str(ours.kept.path.parent) not in str(refused.value)
    ours.kept.path.unlink()
    with pytest.raises(SealRefused, match="the past was changed"):
        ours.seal()


def test_another_name_begins_another_log_over_the_same_events(ours: Book) -> None:
    ours.seal()
    signer = LogSigner(f"{ORIGIN}/2", (bytes(range(32)),))
    again = new_sealer(ours.store, ours.world, ours.kept, signer)
    ours.happens()
    size = again.seal(ours.connection, ours.sequencer.sequence)
    assert size == len(store.hashes(ours.connection, 0, 1000))
    found = store.newest(ours.connection, f"{ORIGIN}/2")
    assert found is not None
    assert open_checkpoint(found.note, signer.vkeys[0]).root == root_of(store.hashes(ours.connection, 0, 1000))


@pytest.mark.parametrize(
    ("vandalism", "said"),
    [
        ("UPDATE positions SET leaf_hash = sha256('x') WHERE position = 2", "don't give the root of the checkpoint"),
        ("UPDATE ledger_checkpoints SET root = sha256('x')", "don't give the root of the checkpoint"),
        ("UPDATE ledger_checkpoints SET note = replace(note, 'auth', 'auph')", "is signed by no key"),
        ("UPDATE ledger_nodes SET hash = sha256('x')", "stored hash of the full tile 0 of level 0 is wrong"),
        ("DELETE FROM positions WHERE position = (SELECT max(position) FROM positions)", "was signed, and there are only"),
        ("UPDATE positions SET account_id = gen_random_uuid() WHERE position = 5", "is not that of the events"),
    ],
)
def test_each_way_to_change_the_signed_past_is_found(ours: Book, database: Database, vandalism: str, said: str) -> None:
    ours.happens(260)
    ours.seal()
    assert findings(ours) == []
    as_owner(database, vandalism)
    assert any(said in message for message in findings(ours)), findings(ours)


def test_accounts_are_summed_apart(ours: Book) -> None:
    from tests.infrastructure.store import given

    other = given.world(ours.store)
    ours.sequencer.sequence()
    ours.seal()
    sums: dict[Any, Any] = {}
    for account in (ours.world.account, other.account):
        ledger = ours.store.load(Ledger, ledger_stream(str(account)))
        assert ledger is not None
        sums[account] = ledger.sum
    assert sums[ours.world.account].count == sums[other.account].count
    assert sums[ours.world.account].chain != sums[other.account].chain
    assert findings(ours) == []
