from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from infrastructure import run_folder
from infrastructure.readiness import Readiness
from tests.support.oauth_world import World, oauth_world
from tests.support.postgres import Database


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with oauth_world(database) as made:
        yield made


def change(world: World, statement: str) -> Readiness:
    with psycopg.connect(world.database.web_dsn, autocommit=True) as connection:
        connection.execute(statement.encode())
    return world.app.status()


def heartbeat(age: str) -> str:
    return f"INSERT INTO projector_leader (holder, backend_pid, heartbeat_at) VALUES ('host:7', 4711, now() - interval '{age}')"


def test_a_missing_projector_is_told_with_how_to_start_one_and_makes_no_node_unfit(world: World) -> None:
    found = world.app.status()
    assert found.ready
    assert any("No projector has ever run" in said and "grantbook projector" in said for said in found.warnings)


def test_a_projector_that_has_fallen_silent_is_named_with_pid_and_age(world: World) -> None:
    assert not [said for said in change(world, heartbeat("1 second")).warnings if "projector" in said]
    found = change(world, "UPDATE projector_leader SET heartbeat_at = now() - interval '90 seconds'")
    assert found.ready
    assert any("for 90 s" in said and "host:7" in said and "pid 4711" in said for said in found.warnings)


def test_views_far_behind_are_told_in_seconds_and_events(world: World) -> None:
    change(world, heartbeat("1 second"))
    placed = """INSERT INTO positions (position, account_id, originator_id, originator_version, at, leaf_hash)
    SELECT 1, account_id, originator_id, originator_version, now() - interval '2 minutes', sha256('') FROM events LIMIT 1"""
    found = change(world, placed)
    assert found.ready
    assert any("120 s and 1 events behind" in said for said in found.warnings)


def test_what_waits_for_a_checkpoint_is_told_of_the_log_that_is_signed_whatever_another_one_had_signed(world: World) -> None:
    change(world, heartbeat("1 second"))
    change(
        world,
        """INSERT INTO positions (position, account_id, originator_id, originator_version, at, leaf_hash)
        SELECT 1, account_id, originator_id, originator_version, now() - interval '2 minutes', sha256('') FROM events LIMIT 1""",
    )
    signed = "INSERT INTO ledger_checkpoints (origin, size, root, note) VALUES ('{}', {}, sha256(''), '')"
    origin = world.app.settings.ledger_origin
    told = change(world, signed.format(f"{origin}/given-up", 500)).warnings
    assert [said for said in told if said.startswith("Events have waited 12")]
    assert not [said for said in change(world, signed.format(origin, 1)).warnings if "have waited" in said]


def test_a_stopped_projection_is_told_with_its_event_and_the_command_that_repairs_it(world: World) -> None:
    found = change(world, "UPDATE projections SET state = 'stopped', error = 'event 5 is poison.' WHERE name = 'audit_log'")
    assert found.ready
    assert any("event 5 is poison." in said and "grantbook projections rebuild audit_log" in said for said in found.warnings)


def test_a_node_on_a_database_of_another_cluster_is_unfit(world: World) -> None:
    found = change(world, "INSERT INTO store_meta (key, value) VALUES ('system_identifier', '1')")
    assert not found.ready
    assert "restored into another cluster" in found.checks["cluster"]
    assert "ledger adopt" in found.checks["cluster"]


def test_a_server_about_to_end_is_not_ready(world: World) -> None:
    draining = run_folder.Draining()
    with run_folder.RunFolder.made() as folder, pytest.MonkeyPatch.context() as patch:
        draining.follow(folder)
        patch.setattr("infrastructure.readiness.draining", draining)
        assert world.app.status().ready
        folder.drain()
        found = world.app.status()
        assert not found.ready
        assert "about to end" in found.checks["serving"]
        response = world.http.get("/readyz")
        assert response.status_code == 503
        assert response.get_json()["ready"] is False
