from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.application import Application
from eventsourcing.persistence import IntegrityError

from domain.member import Member
from infrastructure.store.recorder import EventRecorder, datastore
from infrastructure.store.sequencer import Sequencer
from tests.infrastructure.store import given
from tests.support.postgres import Database


def test_the_librarys_application_runs_on_our_tables(database: Database) -> None:
    with given.store_on(database) as store, datastore(database.web_dsn) as pool:
        made = given.world(store)

        class Members(Application[Any]):
            def construct_recorder(self) -> Any:
                return EventRecorder(pool)

            def construct_mapper(self) -> Any:
                return store.mapper

        application = Members()
        member: Any = application.repository.get(made.member)
        member.deactivate(made.context(), "left")
        application.save(member)
        loaded = store.load(Member, made.member)
        assert loaded is not None
        assert not loaded.active


def test_notifications_come_in_position_order(database: Database) -> None:
    with given.store_on(database) as store, datastore(database.web_dsn) as pool, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        given.world(store)
        recorder = EventRecorder(pool)
        assert recorder.max_notification_id() is None
        count = Sequencer(connection).sequence()
        assert recorder.max_notification_id() == count
        notifications = recorder.select_notifications(1, 100)
        assert [n.id for n in notifications] == list(range(1, count + 1))
        assert [n.id for n in recorder.select_notifications(2, 100, 4, inclusive_of_start=False)] == [3, 4]
        assert [n.topic for n in recorder.select_notifications(None, 100, topics=("member.added",))] == ["member.added"]


def test_a_version_that_is_taken_is_an_integrity_error_and_nothing_is_stored(database: Database) -> None:
    with given.store_on(database) as store, datastore(database.web_dsn) as pool:
        made = given.world(store)
        recorder = EventRecorder(pool)
        first = recorder.select_events(made.member)[0]
        elsewhere = type(first)(uuid4(), 1, first.topic, first.state)
        with pytest.raises(IntegrityError):
            recorder.insert_events([elsewhere, first])
        assert recorder.select_events(elsewhere.originator_id) == []
