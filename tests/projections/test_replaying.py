"""Views as they stood: what a page showed then is what a replay shows of then."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from application import decide_app, revoke_grant
from infrastructure.past.moments import Moment, head
from infrastructure.projector import Projector
from infrastructure.store.sequencer import Sequencer
from projections import view
from projections.events import PersonalReader
from projections.integrations.queries import list_integrations
from projections.members.queries import list_members
from projections.rebuild import AlreadyBuilding
from projections.registry import BY_NAME
from projections.replaying import Replay, clear_abandoned
from projections.sessions.queries import list_sessions
from tests.projections.scene import Scene
from tests.projections.support import run_all
from tests.support.oauth_world import CLI, World, oauth_world
from tests.support.postgres import Database

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ("members", "integrations", "consents", "sessions", "usage")


def shown(connection: Any, world: World) -> tuple[list[Any], list[Any]]:
    return list_integrations(connection, world.account_id), list_sessions(connection, world.account_id, live_only=True)


def replay(connection: Any, world: World, moment: Moment) -> Replay:
    keyring = world.app.keyring
    return Replay(connection, [BY_NAME[name] for name in SHOWN], PersonalReader(keyring.open, keyring.prefetch), moment.position, moment.at)


def test_a_replay_shows_what_the_pages_showed_then(database: Database) -> None:
    with oauth_world(database) as world, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        keyring, told = world.app.keyring, []

        def note() -> None:
            Sequencer(connection).sequence()
            run_all(connection, PersonalReader(keyring.open, keyring.prefetch))
            told.append((Moment(head(connection), world.clock()), shown(connection, world)))

        editor, helper = world.client_id(client_name="Editor"), world.client_id(client_name="Helper")
        note()
        tokens = world.tokens(editor, world.member("Developer"), scopes="projects:query", keep_alive=True)
        world.tokens(helper, scopes="account:read", keep_alive=True)
        note()
        world.refresh(editor, tokens["refresh_token"])
        decide_app.block(world.services, world.account_id, helper, actor_id=world.admin_id, origin=CLI)
        note()
        revoke_grant.revoke(world.services, world.account_id, str(world.grant_id(tokens)), by="admin", actor_id=None, origin=CLI)
        note()
        for moment, pages in told:
            made = replay(connection, world, moment)
            with made.building() as steps:
                assert [step.position for step in steps][-1] == moment.position
                assert shown(made.seen(), world) == pages
        assert [len(pages[1]) for _, pages in told] == [0, 2, 1, 0]
        assert all(len(view.tables_of(connection, BY_NAME[name])) == len(BY_NAME[name].tables) for name in SHOWN)


def test_time_that_passed_since_ends_nothing_then(database: Database) -> None:
    with oauth_world(database) as world, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        world.later(days=-30)
        world.tokens(world.client_id(), scopes="projects:query", keep_alive=True)
        Sequencer(connection).sequence()
        run_all(connection, PersonalReader(world.app.keyring.open, world.app.keyring.prefetch))
        assert shown(connection, world)[1] == []
        made = replay(connection, world, Moment(head(connection), world.clock()))
        with made.building() as steps:
            list(steps)
            assert [row.status for row in shown(made.seen(), world)[1]] == ["active"]


def test_only_one_replay_runs(database: Database) -> None:
    with (
        oauth_world(database) as world,
        psycopg.connect(database.web_dsn, autocommit=True) as connection,
        psycopg.connect(database.web_dsn, autocommit=True) as other,
    ):
        Sequencer(connection).sequence()
        moment = Moment(head(connection), world.clock())
        with replay(connection, world, moment).building(), pytest.raises(AlreadyBuilding), replay(other, world, moment).building():
            pass


@pytest.fixture
def doomed(database: Database) -> Iterator[subprocess.Popen[bytes]]:
    """A replay in a process of its own, in the middle of its work."""
    command = [sys.executable, "-m", "tests.projections.replay_process", database.web_dsn]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == b"building\n"
            yield running
        finally:
            running.kill()


def test_a_replay_killed_in_its_middle_leaves_nothing_behind(
    told: Scene, doomed: subprocess.Popen[bytes], database: Database, connection: Any, new_reader: Callable[[], PersonalReader]
) -> None:
    def left() -> list[str]:
        made = [table for name in ("members", "sessions") for table in view.tables_of(connection, BY_NAME[name])[len(BY_NAME[name].tables) :]]
        return [*made, *(name for name in view.standings(connection) if name.endswith("/replaying"))]

    assert len(left()) == 2 + len(BY_NAME["sessions"].tables) + 1
    assert clear_abandoned(connection) == []  # it is under way
    doomed.kill()
    doomed.wait()
    stop = threading.Event()
    projector = Projector(database.web_dsn, new_reader, tidy_every=0.05)
    thread = threading.Thread(target=projector.run, args=(stop,))
    thread.start()
    try:
        assert eventually(lambda: not left())
    finally:
        stop.set()
        thread.join()
    assert [member.name for member in list_members(connection, told.account)]  # what is live is as it was


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def told(scene: Scene) -> Scene:
    """An account with people in its views."""
    for name in ("Ada", "Grace", "Barbara"):
        scene.person(name)
    scene.told()
    return scene
