from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from infrastructure.store.sequencer import Sequencer
from infrastructure.store.verify import Finding, Progress, verify_ledger
from tests.infrastructure.store import given
from tests.support.postgres import Database


@pytest.fixture
def vandal(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A superuser who switches the guard off."""
    with given.store_on(database) as store, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        made = given.world(store)
        Sequencer(connection).sequence()
        given.grant(store, given.World(made.account, made.member, made.client, made.client.__class__(int=7)))
        Sequencer(connection).sequence()
    with psycopg.connect(database.superuser_dsn, autocommit=True) as admin:
        admin.execute("ALTER TABLE events DISABLE TRIGGER ALL")
        admin.execute("ALTER TABLE positions DISABLE TRIGGER ALL")
        yield admin


def findings(connection: psycopg.Connection[Any]) -> list[Finding]:
    return verify_ledger(connection)


def event_at(connection: psycopg.Connection[Any], position: int) -> str:
    row = connection.execute("SELECT originator_id || ':' || originator_version FROM positions WHERE position = %s", (position,)).fetchone()
    assert row is not None
    return str(row[0])


AT_4 = "(originator_id, originator_version) = (SELECT originator_id, originator_version FROM positions WHERE position = 4)"


def test_an_untouched_record_has_nothing_to_report(vandal: psycopg.Connection[Any]) -> None:
    seen: list[Progress] = []
    assert verify_ledger(vandal, seen.append) == []
    assert seen[-1].events == 11


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET state = state || ' '",
        "UPDATE events SET topic = 'member.erased'",
        "UPDATE events SET account_id = gen_random_uuid()",
    ],
)
def test_a_changed_event_is_named(vandal: psycopg.Connection[Any], change: str) -> None:
    vandal.execute(f"{change} WHERE {AT_4}".encode())
    (finding,) = findings(vandal)
    assert (finding.kind, finding.position, finding.event) == ("different", 4, event_at(vandal, 4))


def test_an_event_that_was_taken_out_is_named(vandal: psycopg.Connection[Any]) -> None:
    vandal.execute(f"DELETE FROM events WHERE {AT_4}".encode())
    (finding,) = findings(vandal)
    assert (finding.kind, finding.event) == ("missing", event_at(vandal, 4))


def test_a_position_that_was_taken_out_is_named_and_so_is_its_event(vandal: psycopg.Connection[Any]) -> None:
    event = event_at(vandal, 4)
    vandal.execute("DELETE FROM positions WHERE position = 4")
    assert {(f.kind, f.event or f.position) for f in findings(vandal)} == {("gap", 4), ("unpositioned", event)}


def test_a_version_that_is_missing_from_a_stream_is_named(vandal: psycopg.Connection[Any]) -> None:
    event = event_at(vandal, 2)
    vandal.execute("DELETE FROM events WHERE (originator_id::text || ':' || originator_version) = %s", (event,))
    vandal.execute("DELETE FROM positions WHERE position = 2")
    kinds = {f.kind for f in findings(vandal)}
    assert kinds == {"gap", "version_gap"}
    assert any(event in f.message for f in findings(vandal))


def test_a_replaced_leaf_hash_is_named(vandal: psycopg.Connection[Any]) -> None:
    vandal.execute("UPDATE positions SET leaf_hash = sha256('x') WHERE position = 6")
    assert [(f.kind, f.position) for f in findings(vandal)] == [("different", 6)]


def test_a_time_that_goes_back_is_named(vandal: psycopg.Connection[Any]) -> None:
    vandal.execute("UPDATE positions SET at = '2000-01-01' WHERE position = 6")
    assert [(f.kind, f.position) for f in findings(vandal)] == [("time", 6)]


def test_an_event_slipped_in_below_the_last_position_is_named(vandal: psycopg.Connection[Any]) -> None:
    vandal.execute(
        """INSERT INTO events (originator_id, originator_version, topic, state, account_id, xid)
        SELECT gen_random_uuid(), 1, topic, state, account_id, '3' FROM events LIMIT 1"""
    )
    assert [f.kind for f in findings(vandal)] == ["unpositioned"]


def test_events_that_wait_for_their_position_are_no_fault(vandal: psycopg.Connection[Any]) -> None:
    vandal.execute(
        """INSERT INTO events (originator_id, originator_version, topic, state, account_id)
        SELECT gen_random_uuid(), 1, topic, state, account_id FROM events LIMIT 1"""
    )
    assert findings(vandal) == []
