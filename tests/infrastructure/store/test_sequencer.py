from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infrastructure.database import BY_INDEX, PROJECTOR, connect, with_parameters
from infrastructure.store.era import Era
from infrastructure.store.reader import head, read_events, read_rows
from infrastructure.store.sequencer import LeadershipLost, OrderRefused, Sequencer, lead, next_events, stalls
from infrastructure.store.verify import leaf_hash, verify_ledger
from tests.infrastructure.store import given
from tests.support.postgres import Database

ACCOUNT = uuid4()
INSERT = "INSERT INTO events (originator_id, originator_version, topic, state, account_id) VALUES (%s, %s, 't.t', %s, %s)"


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.web_dsn, autocommit=True) as made:
        yield made


def put(connection: psycopg.Connection[Any], stream: UUID, version: int, micros: int | None = 1_700_000_000_000_000) -> None:
    state = b"{}" if micros is None else b'{"timestamp":%d,"x":"caf\xc3\xa9"}' % micros
    connection.execute(INSERT, (stream, version, state, ACCOUNT))


def placed(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT originator_id, originator_version FROM positions ORDER BY position").fetchall()


def test_every_event_gets_a_dense_position_and_a_leaf_hash_over_its_stored_bytes(database: Database, connection: psycopg.Connection[Any]) -> None:
    with given.store_on(database) as store:
        given.world(store)
        sequencer = Sequencer(connection)
        counts = [sequencer.sequence(2), sequencer.sequence(), sequencer.sequence()]
        assert counts[0] == 2
        assert counts[2] == 0
        events = read_events(connection, store.mapper, 0, 100)
        assert [e.position for e in events] == list(range(1, sum(counts) + 1))
        assert head(connection) == sum(counts)
        assert [e.position for e in read_rows(connection, 2, 100, ["member.added"])] == [4]
    rows = connection.execute(
        "SELECT originator_id, originator_version, topic, state, leaf_hash FROM events JOIN positions USING (originator_id, originator_version)"
    )
    assert all(leaf_hash(i, v, t, s) == h for i, v, t, s, h in rows)
    assert verify_ledger(connection) == []


def test_an_event_that_commits_late_is_never_stepped_over(connection: psycopg.Connection[Any], database: Database) -> None:
    sequencer = Sequencer(connection)
    late, early = uuid4(), [uuid4() for _ in range(5)]
    with psycopg.connect(database.web_dsn) as slow:
        put(slow, late, 1)
        for stream in early:
            put(connection, stream, 1)
        assert sequencer.sequence() == 0
        slow.commit()
    assert sequencer.sequence() == 6
    assert placed(connection)[0] == (late, 1)
    assert verify_ledger(connection) == []


def write_with_delays(database: Database, seed: int, stream: UUID) -> None:
    """Twenty-five versions of a stream, each committed some time after it was inserted, some rolled back first."""
    delays = random.Random(seed)
    with psycopg.connect(database.web_dsn) as own:
        for version in range(1, 26):
            put(own, stream, version)
            if delays.random() < 0.3:
                time.sleep(delays.random() * 0.02)
            if delays.random() < 0.1:
                own.rollback()
                put(own, stream, version)
            own.commit()


def test_twenty_writers_with_random_commit_delays_lose_nothing_and_keep_each_stream_in_order(
    connection: psycopg.Connection[Any], database: Database
) -> None:
    sequencer = Sequencer(connection)
    streams = [uuid4() for _ in range(20)]
    stop = threading.Event()

    def order() -> None:
        with psycopg.connect(database.web_dsn, autocommit=True) as own:
            mine = Sequencer(own)
            while not stop.is_set():
                mine.sequence(17)
                time.sleep(0.001)

    writers = [threading.Thread(target=write_with_delays, args=(database, n, streams[n])) for n in range(20)]
    orderer = threading.Thread(target=order)
    for thread in (*writers, orderer):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    orderer.join()
    while sequencer.sequence():
        pass
    order_ = placed(connection)
    assert len(order_) == 500
    assert sorted(order_) == sorted((s, v) for s in streams for v in range(1, 26))
    for stream in streams:
        assert [v for s, v in order_ if s == stream] == list(range(1, 26))
    assert verify_ledger(connection) == []


def test_a_batch_in_which_a_version_precedes_its_predecessor_is_refused(connection: psycopg.Connection[Any], database: Database) -> None:
    sequencer = Sequencer(connection)
    stream, bystander = uuid4(), uuid4()
    with psycopg.connect(database.web_dsn) as wrong:
        wrong.execute("SELECT pg_current_xact_id()")  # a transaction id before the append: what must never be done
        put(connection, stream, 1)
        put(wrong, stream, 2)
        wrong.commit()
    put(connection, bystander, 1)
    with pytest.raises(OrderRefused, match=f"{stream}:2"):
        sequencer.sequence()
    assert placed(connection) == []


def test_a_version_whose_predecessor_was_never_positioned_is_refused(connection: psycopg.Connection[Any]) -> None:
    stream = uuid4()
    put(connection, stream, 2)
    with pytest.raises(OrderRefused, match=f"{stream}:2"):
        Sequencer(connection).sequence()


def test_the_recorded_time_never_goes_back(connection: psycopg.Connection[Any]) -> None:
    stream = uuid4()
    micros = [1_700_000_000_000_000, 1_800_000_000_000_001, 1_600_000_000_000_000, None, 1_900_000_000_000_000]
    sequencer = Sequencer(connection)
    for version, value in enumerate(micros, 1):
        put(connection, stream, version, value)
        if version == 2:
            sequencer.sequence()
    sequencer.sequence()
    found = [row[0] for row in connection.execute("SELECT at FROM positions ORDER BY position")]
    expected = [micros[0], micros[1], micros[1], micros[1], micros[4]]
    assert [round(at.timestamp() * 1e6) for at in found] == expected
    assert found[0] == datetime.fromtimestamp(1_700_000_000, UTC)


def test_a_second_leader_cannot_give_a_position_twice(connection: psycopg.Connection[Any], database: Database) -> None:
    stream = uuid4()
    put(connection, stream, 1)
    with psycopg.connect(database.web_dsn, autocommit=True) as other, psycopg.connect(database.web_dsn) as slow:
        first = Sequencer(other)
        stale = Sequencer(slow)
        slow.commit()
        stale.sequence()
        failed: list[BaseException] = []

        def sequence() -> None:
            try:
                first.sequence()
            except LeadershipLost as error:
                failed.append(error)

        thread = threading.Thread(target=sequence)
        thread.start()
        time.sleep(0.2)
        slow.commit()
        thread.join(5)
    assert len(failed) == 1
    assert placed(connection) == [(stream, 1)]


def test_one_leads_until_its_connection_ends(database: Database) -> None:
    with psycopg.connect(database.web_dsn, autocommit=True) as second:
        with psycopg.connect(database.web_dsn, autocommit=True) as first:
            assert lead(first)
            assert not lead(second)
        time.sleep(0.1)
        assert lead(second)


def test_a_restored_database_is_refused_until_it_is_adopted(connection: psycopg.Connection[Any]) -> None:
    Sequencer(connection)
    connection.execute("UPDATE store_meta SET value = '1' WHERE key = 'system_identifier'")
    with pytest.raises(OrderRefused, match="ledger adopt"):
        Sequencer(connection)


def test_what_stalls_the_order_is_named_with_its_pid_and_age(connection: psycopg.Connection[Any], database: Database) -> None:
    assert stalls(connection) == []
    with psycopg.connect(make_conninfo(database.web_dsn, application_name="import")) as open_:
        put(open_, uuid4(), 1)
        (stall,) = stalls(connection, older_than_seconds=0)
        assert (stall.pid, stall.name) == (open_.info.backend_pid, "import")
        assert stall.age_seconds is not None
        assert stalls(connection, older_than_seconds=60) == []
        open_.rollback()
    with psycopg.connect(make_conninfo(database.superuser_dsn, application_name="repair")) as open_:
        put(open_, uuid4(), 1)
        assert [s.pid for s in stalls(connection, older_than_seconds=0)] == [open_.info.backend_pid]
        open_.rollback()


def test_the_plan_never_reads_a_whole_table_per_batch(connection: psycopg.Connection[Any], database: Database) -> None:
    with psycopg.connect(database.superuser_dsn, autocommit=True) as admin:
        admin.execute(
            """INSERT INTO events (originator_id, originator_version, topic, state, account_id)
            SELECT gen_random_uuid(), 1, 't.t', '{}', gen_random_uuid() FROM generate_series(1, 20000)"""
        )
    made = Sequencer(connection)
    while made.sequence(5000):
        pass
    stream = uuid4()
    put(connection, stream, 1)
    plan = connection.execute(b"EXPLAIN " + next_events(Era(), 1000)).fetchall()
    assert not [line for (line,) in plan if "Seq Scan" in line]


def test_a_leader_that_began_with_empty_tables_still_reads_each_event_once_when_they_are_large(database: Database) -> None:
    leaders = with_parameters(database.web_dsn, application_name=PROJECTOR, options=BY_INDEX)
    with connect(database.superuser_dsn) as admin, connect(leaders) as connection:
        made = Sequencer(connection)
        put(connection, uuid4(), 1)
        assert made.sequence() == 1
        admin.execute(
            """INSERT INTO events (originator_id, originator_version, topic, state, account_id)
            SELECT gen_random_uuid(), 1, 't.t', '{}', gen_random_uuid() FROM generate_series(1, 5000)"""
        )
        before = read_so_far(connection)
        while made.sequence(250):
            pass
        assert len(placed(connection)) == 5001
        events, positions = (after - earlier for after, earlier in zip(read_so_far(connection), before, strict=True))
    assert events < 6000
    assert positions < 11_000  # once more by `placed`


def read_so_far(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """Rows and index entries of events and positions that were read."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    query = """SELECT t.seq_tup_read + sum(i.idx_tup_read) FROM pg_stat_user_tables t JOIN pg_stat_user_indexes i USING (relid)
        WHERE t.relname IN ('events', 'positions') GROUP BY t.relname, t.seq_tup_read ORDER BY t.relname"""
    events, positions = (int(row[0]) for row in connection.execute(query))
    return events, positions
