from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infrastructure.metrics_store import store_gauges
from infrastructure.projector_workers import writer_dsn
from infrastructure.store.sequencer import Sequencer
from infrastructure.views_check import Checked, ViewsCheck, last_check
from projections import view
from projections.events import PersonalReader
from projections.rebuild import Build
from projections.registry import BY_NAME, PROJECTIONS
from projections.runner import Runner
from tests.support.oauth_world import World, oauth_world
from tests.support.postgres import Database


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with oauth_world(database) as made:
        made.tokens(made.client_id())
        yield made


@pytest.fixture
def connection(world: World) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(writer_dsn(world.app.dsn), autocommit=True) as made:
        sequencer, runner = Sequencer(made), Runner(made, reader(world), PROJECTIONS)
        while sequencer.sequence():
            pass
        while runner.step().more:
            pass
        yield made


def reader(world: World) -> PersonalReader:
    return PersonalReader(world.app.keyring.open, world.app.keyring.prefetch)


def check(world: World, every: timedelta = timedelta(days=1)) -> ViewsCheck:
    return ViewsCheck(writer_dsn(world.app.dsn), lambda: reader(world), PROJECTIONS, every, world.clock)


def test_all_views_are_compared_once_in_the_time_that_is_set(world: World, connection: psycopg.Connection[Any]) -> None:
    never = threading.Event()
    found = check(world).round(never)
    assert found is not None
    assert found.differences == dict.fromkeys(BY_NAME, 0)
    assert found.not_compared == {}
    assert last_check(connection) == found
    assert check(world).round(never) is None
    world.later(days=1)
    assert check(world).round(never) is not None
    assert [s for s in view.standings(connection) if "/" in s] == [], "what was built beside is gone"


def test_a_row_that_differs_is_told_by_readyz_metrics_and_overview(world: World, connection: psycopg.Connection[Any]) -> None:
    standing = view.standing(connection, "members")
    assert standing is not None
    table = next(iter(BY_NAME["members"].names(standing.suffix).values()))
    connection.execute(f"DELETE FROM {table}".encode())
    found = check(world).round(threading.Event())
    assert found is not None
    assert found.differing == ["members"]
    assert found.differences["members"] == 1
    said = [warning for warning in world.app.status().warnings if "projections rebuild members" in warning]
    assert len(said) == 1
    assert world.app.status().as_json()["views_compared"] == {"at": found.at.isoformat(), "seconds": found.seconds, "differing": ["members"]}
    gauges = store_gauges(lambda: world.app.dsn)
    assert gauges["projection_differences", "members"] == 1
    assert gauges["projection_differences", "sessions"] == 0
    assert ("projection_compared_age_seconds",) in gauges
    page = world.browser.get("/settings").text
    assert "The view “members” was not as the events say" in page


def test_a_view_that_somebody_else_compares_at_the_moment_is_left_out_and_said_to_be(world: World, connection: psycopg.Connection[Any]) -> None:
    with Build(connection, BY_NAME["usage"], reader(world), 100, "verifying"):
        found = check(world).round(threading.Event())
    assert found is not None
    assert "another process" in found.not_compared["usage"]
    assert "usage" not in found.differences


def test_a_leader_that_is_demoted_leaves_nothing_behind(world: World, connection: psycopg.Connection[Any]) -> None:
    demoted = threading.Event()
    demoted.set()
    assert check(world).round(demoted) is None
    assert last_check(connection) is None
    assert [s for s in view.standings(connection) if "/" in s] == []


def test_what_was_found_reads_back() -> None:
    assert Checked(datetime(2026, 11, 29, tzinfo=UTC), 1.5, {"b": 2, "a": 1, "c": 0}).differing == ["a", "b"]
