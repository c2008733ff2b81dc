from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from werkzeug.test import Client as WsgiClient

from domain.errors import Refused
from domain.ids import ledger_stream
from domain.ledger import Ledger
from infrastructure.bootstrap import bootstrap
from infrastructure.database import DECIDE, connect, with_parameters
from infrastructure.ledger import adoption, live, store
from infrastructure.ledger.kept import KeptCheckpoint
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.sealing import Sealing, signer_of
from infrastructure.store import era
from infrastructure.store.sequencer import OrderRefused, Sequencer
from infrastructure.store.verify import verify_ledger
from tests.support.oauth_world import CLI, PlainPasswords, World, oauth_world
from tests.support.postgres import Database
from web.app import create_app, wrapped

LOG = "localhost:8000/ledger"
PLACED = "SELECT originator_id, originator_version FROM positions"
FUTURE = 1 << 40
"""A transaction id of a cluster that was older than this one."""


@pytest.fixture
def world(database: Database, tmp_path: Path) -> Iterator[World]:
    with oauth_world(database) as made:
        object.__setattr__(made.app.settings, "ledger_folder", tmp_path / "ledger")
        yield made


@pytest.fixture
def connection(world: World) -> Iterator[psycopg.Connection[Any]]:
    with connect(world.app.dsn) as made:
        yield made


def seal(world: World, connection: psycopg.Connection[Any]) -> store.Signed:
    sequencer = Sequencer(connection)
    while sequencer.sequence():
        pass
    Sealing(world.app.settings, world.services).term(connection)(connection, sequencer.sequence)
    found = store.newest(connection, signer_of(world.app.settings, connection).origin)
    assert found is not None
    return found


def restored_elsewhere(world: World, *, ahead: int = FUTURE) -> None:
    """As after a restore: another cluster kept the order, and its transaction ids lie so far in the future."""
    with psycopg.connect(world.database.superuser_dsn, autocommit=True) as admin:
        admin.execute("UPDATE store_meta SET value = '1' WHERE key = 'system_identifier'")
        admin.execute("ALTER TABLE events DISABLE TRIGGER ALL")
        admin.execute("UPDATE events SET xid = (xid::text::bigint + %s)::text::xid8", (ahead,))
        admin.execute("ALTER TABLE events ENABLE ALWAYS TRIGGER events_append_only")


def as_superuser(world: World, sql: str) -> None:
    with psycopg.connect(world.database.superuser_dsn, autocommit=True) as admin:
        for table in ("events", "positions", "ledger_checkpoints", "ledger_nodes"):
            admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
        admin.execute(sql.encode())


def adopt(world: World, connection: psycopg.Connection[Any], *, end_all: bool = True) -> adoption.Adopted:
    """In a process of its own, as the command does; nothing of the one that served before is left."""
    world.app.store.close()
    app = bootstrap(world.app.settings, clock=world.clock, passwords=PlainPasswords())
    try:
        return adoption.adopt(app, connection, CLI, end_all=end_all)
    finally:
        app.close()


@contextmanager
def started(world: World) -> Iterator[World]:
    """A node that starts now."""
    app = bootstrap(world.app.settings, clock=world.clock, passwords=PlainPasswords())
    flask = create_app(app)
    try:
        yield replace(world, app=app, http=flask.test_client(), front=WsgiClient(wrapped(app, flask)))
    finally:
        app.close()


def findings(world: World, connection: psycopg.Connection[Any]) -> list[str]:
    return [f.message for f in (*verify_ledger(connection), *live.findings(connection, signer_of(world.app.settings, connection)))]


def test_a_whole_copy_in_another_cluster_goes_on_with_its_log_and_its_sessions(world: World, connection: psycopg.Connection[Any]) -> None:
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    before = seal(world, connection)
    restored_elsewhere(world)
    with pytest.raises(OrderRefused, match="ledger adopt"):
        Sequencer(connection)
    found = adoption.examine(world.app, connection)
    assert (found.to_adopt, found.differing, found.unpositioned) == (True, (), 0)
    done = adopt(world, connection, end_all=False)
    assert done.facts["log"] == done.facts["old_log"] == LOG
    assert (done.facts["size"], done.facts["lost"], done.sessions) == (before.size, 0, 0)
    assert not adoption.examine(world.app, connection).to_adopt
    assert world.refresh(client_id, tokens["refresh_token"]).status_code == 200
    assert seal(world, connection).size > before.size
    assert findings(world, connection) == []


def test_events_without_a_position_are_placed_in_their_old_order_before_what_was_written_here(
    world: World, connection: psycopg.Connection[Any]
) -> None:
    """Their checkpoint, which the copy lacks, is found again by it: nothing that was signed is lost."""
    seal(world, connection)
    first, second = world.client_id(), world.client_id()
    last = seal(world, connection)
    as_superuser(world, "DELETE FROM ledger_checkpoints WHERE size = (SELECT max(size) FROM ledger_checkpoints)")
    as_superuser(world, "DELETE FROM positions WHERE position > (SELECT max(size) FROM ledger_checkpoints)")
    restored_elsewhere(world)
    here = world.client_id()
    done = adopt(world, connection)
    assert (done.facts["log"], done.facts["size"]) == (LOG, last.size)
    placed = [str(row[0]) for row in connection.execute("SELECT originator_id FROM positions ORDER BY position DESC LIMIT 1")]
    assert uuid.UUID(placed[0]) == _stream(world, here)
    assert len({first, second, here}) == 3
    seal(world, connection)
    assert findings(world, connection) == []


def _stream(world: World, client_id: str) -> uuid.UUID:
    from domain.ids import client_stream_from

    found = client_stream_from(client_id, world.account_id)
    assert found is not None
    return found


@pytest.mark.parametrize("ahead", [FUTURE, 40])
def test_new_events_are_ordered_though_old_transaction_ids_lie_in_the_future(world: World, connection: psycopg.Connection[Any], ahead: int) -> None:
    seal(world, connection)
    restored_elsewhere(world, ahead=ahead)
    adopt(world, connection)
    for _ in range(3):
        for _ in range(20):
            connection.execute("SELECT pg_current_xact_id()")
        world.client_id()
        assert Sequencer(connection).sequence() > 0
        assert Sequencer(connection).sequence() == 0
    assert findings(world, connection) == []


def test_a_database_set_back_in_its_own_cluster_is_adopted_under_the_next_name(world: World, connection: psycopg.Connection[Any]) -> None:
    good = seal(world, connection)
    world.client_id()
    lost = seal(world, connection)
    as_superuser(world, f"DELETE FROM ledger_checkpoints WHERE size > {good.size}")
    as_superuser(world, f"DELETE FROM positions WHERE position > {good.size}")
    as_superuser(world, f"DELETE FROM events WHERE (originator_id, originator_version) NOT IN ({PLACED})")
    found = adoption.examine(world.app, connection)
    assert (found.foreign, len(found.differing)) == (None, 1)
    done = adopt(world, connection)
    assert (done.facts["log"], done.facts["size"], done.facts["lost"]) == (f"{LOG}/2", good.size, lost.size - good.size)
    assert done.facts["ahead"] == lost.note
    first = store.newest(connection, f"{LOG}/2")
    assert first is not None
    assert (first.size, first.root) == (good.size, good.root)
    with started(world) as node:
        ledger = node.services.store.load(Ledger, ledger_stream(world.account_id))
        assert ledger is not None
        assert ledger.adopted == 1
        assert seal(node, connection).size > good.size
    assert findings(world, connection) == []
    as_superuser(world, f"UPDATE ledger_checkpoints SET root = sha256('x') WHERE origin = '{LOG}'")
    assert any("the root of the checkpoint signed then" in said for said in findings(world, connection)), "what the old log signed still counts"


def test_a_name_that_was_used_in_a_lost_future_is_not_used_again(world: World, connection: psycopg.Connection[Any]) -> None:
    seal(world, connection)
    folder = world.app.settings.ledger_folder
    assert folder is not None
    KeptCheckpoint(folder).write(LogSigner(f"{LOG}/4", world.app.settings.ledger_key).checkpoint(9_000, bytes(32)))
    assert adopt(world, connection).facts["log"] == f"{LOG}/5"
    assert (folder / "checkpoint.given-up-1").read_text(encoding="utf-8").startswith(f"{LOG}/4\n9000\n")


def test_a_name_that_is_set_must_be_changed_by_whoever_set_it(world: World, connection: psycopg.Connection[Any]) -> None:
    object.__setattr__(world.app.settings, "ledger_origin_override", LOG)
    seal(world, connection)
    folder = world.app.settings.ledger_folder
    assert folder is not None
    KeptCheckpoint(folder).write(LogSigner(LOG, world.app.settings.ledger_key).checkpoint(9_000, bytes(32)))
    with pytest.raises(Refused, match=f"set it to {LOG}/2 everywhere"):
        adopt(world, connection)
    assert era.meta(connection, era.UNFINISHED) == ""
    object.__setattr__(world.app.settings, "ledger_origin_override", f"{LOG}/b")
    assert adopt(world, connection).facts["log"] == f"{LOG}/b"


def test_a_copy_without_any_checkpoint_outside_begins_the_next_log(world: World, connection: psycopg.Connection[Any]) -> None:
    seal(world, connection)
    object.__setattr__(world.app.settings, "ledger_folder", None)
    restored_elsewhere(world)
    with pytest.raises(Refused, match="Sessions may go on only if"):
        adopt(world, connection, end_all=False)
    done = adopt(world, connection)
    assert (done.facts["log"], done.facts["lost"], done.facts["ahead"]) == (f"{LOG}/2", 0, "")


def test_a_copy_that_was_tampered_with_is_not_adopted(world: World, connection: psycopg.Connection[Any]) -> None:
    seal(world, connection)
    as_superuser(world, "UPDATE positions SET leaf_hash = sha256('x') WHERE position = 3")
    restored_elsewhere(world)
    with pytest.raises(Refused, match="it is no true copy"):
        adopt(world, connection)
    assert era.foreign_cluster(connection) is not None


def test_servers_and_projectors_must_be_stopped_first(world: World, connection: psycopg.Connection[Any]) -> None:
    seal(world, connection)
    restored_elsewhere(world)
    with connect(with_parameters(world.app.dsn, application_name=DECIDE)), pytest.raises(Refused, match="Stop every server and projector"):
        adopt(world, connection)


def test_an_adoption_that_was_cut_off_lets_no_token_through_until_it_is_finished(
    world: World, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    seal(world, connection)
    restored_elsewhere(world)

    class Crash(Exception):
        pass

    def crash(*_: object) -> int:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(adoption, "end_sessions", crash)
        with pytest.raises(Crash):
            adopt(world, connection)
    world.services.codec.__dict__["_codec"] = None
    assert world.refresh(client_id, tokens["refresh_token"]).status_code == 503
    with pytest.raises(OrderRefused, match="has not ended"):
        Sequencer(connection)
    assert adoption.examine(world.app, connection).unfinished
    done = adopt(world, connection)
    assert done.sessions == 1
    assert world.refresh(client_id, tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert world.topics(ledger_stream(world.account_id)).count("ledger.adopted") == 1


def test_tokens_of_before_are_of_another_epoch_whatever_becomes_of_their_grant(world: World, connection: psycopg.Connection[Any]) -> None:
    tokens = world.tokens(world.client_id())
    seal(world, connection)
    restored_elsewhere(world)
    adopt(world, connection)
    world.services.codec.__dict__["_codec"] = None
    assert world.services.codec.read(tokens["refresh_token"]) is None


def test_a_sequence_that_was_not_restored_is_told_before_anything_is_written_past_it(world: World, connection: psycopg.Connection[Any]) -> None:
    seal(world, connection)
    restored_elsewhere(world)
    as_superuser(world, "SELECT setval('events_notification_id_seq', 1)")
    with pytest.raises(Refused, match=r"SELECT setval\('events_notification_id_seq', [0-9]+\)") as told:
        adopt(world, connection)
    as_superuser(world, str(told.value).partition("run ")[2].partition(", then")[0])
    assert json.loads(era.meta(connection, era.UNFINISHED))["number"] == 1
