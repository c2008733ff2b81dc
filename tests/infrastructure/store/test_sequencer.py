from __future__ import annotations

import psycopg
import pytest

from infrastructure.store.reader import read_events
from infrastructure.store.sequencer import OrderRefused, Sequencer, stalls
from infrastructure.store.verify import leaf_hash, verify_ledger
from tests.infrastructure.store import given
from tests.support.postgres import Database


def test_every_event_gets_a_dense_position_and_a_leaf_hash_over_its_stored_bytes(database: Database) -> None:
    with given.store_on(database) as store, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        given.world(store)
        sequencer = Sequencer(connection)
        placed = [sequencer.sequence(2), sequencer.sequence(), sequencer.sequence()]
        assert placed[0] == 2
        assert placed[2] == 0
        events = read_events(connection, store.mapper, 0, 100)
        assert [e.position for e in events] == list(range(1, sum(placed) + 1))
        rows = connection.execute(
            "SELECT e.originator_id, e.originator_version, topic, state, leaf_hash FROM events e JOIN positions USING (originator_id, originator_version)"
        )
        assert all(leaf_hash(i, v, t, s) == h for i, v, t, s, h in rows)
        assert verify_ledger(connection) == []
        print(stalls(connection))
