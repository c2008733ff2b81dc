"""docs/operations.md, After a restore: yesterday's dump in a new cluster is refused, adopted, and signed on under the next name."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from werkzeug.test import Client as WsgiClient

from infrastructure.bootstrap import bootstrap
from infrastructure.embedded import EmbeddedPostgres
from infrastructure.ledger import live, store
from infrastructure.ledger.bundle import write_bundle
from infrastructure.ledger.sealing import Sealing, refusal, signer_of
from infrastructure.ledger.verifier import NotProven, check_bundle
from infrastructure.settings import load_settings
from infrastructure.store.sequencer import OrderRefused, Sequencer
from infrastructure.store.verify import verify_ledger
from tests.operations.conftest import KEY_NAMES
from tests.operations.test_backup import KEYS_TABLES, program, run
from tests.support.oauth_world import ISSUER, KEYS, MCP, PlainPasswords, World, oauth_world
from tests.support.postgres import Database
from tests.web.cli.conftest import Grantbook, clean_environment
from web.app import create_app, wrapped

OLD_LOG = "localhost:8000/ledger"


def environment(dsn: str, kept: Path) -> dict[str, str]:
    given = {"GRANTBOOK_DATABASE_URL": dsn, "GRANTBOOK_BASE_URL": ISSUER, "GRANTBOOK_GATEWAY_PORT": "8001", "GRANTBOOK_LEDGER_FOLDER": str(kept)}
    return given | dict(zip(KEY_NAMES, KEYS, strict=True))


@contextmanager
def node_of(world: World, dsn: str, kept: Path) -> Iterator[World]:
    """A node that starts on this database."""
    app = bootstrap(load_settings(environment(dsn, kept)), clock=world.clock, passwords=PlainPasswords())
    flask = create_app(app)
    try:
        yield replace(world, app=app, http=flask.test_client(), front=WsgiClient(wrapped(app, flask)))
    finally:
        app.close()


def lead_once(node: World) -> store.Signed:
    """What a leading projector does in a second."""
    with psycopg.connect(node.app.dsn, autocommit=True) as connection:
        sequencer = Sequencer(connection)
        while sequencer.sequence():
            pass
        Sealing(node.app.settings, node.services).term(connection)(connection, sequencer.sequence)
        assert refusal(connection) is None
        found = store.newest(connection, signer_of(node.app.settings, connection).origin)
    assert found is not None
    return found


@dataclass
class Yesterday:
    """The dumps, and what clients and the auditor kept."""

    dumps: list[Path]
    client_id: str
    live: dict[str, str]
    spent_later: dict[str, str]
    vkey: str
    checkpoint: store.Signed
    erased: str
    lost: store.Signed
    newest: dict[str, str]


def go_on(world: World, node: World, embedded_folder: Path, folder: Path) -> Yesterday:
    """A day before the dumps were taken and the day after."""
    client_id, superuser = node.client_id(), world.database.superuser_dsn
    tokens, idle, leaver = node.tokens(client_id), node.tokens(client_id), node.member()
    dumps = [folder / "events.dump", folder / "keys.dump"]
    dump = program("pg_dump", embedded_folder)
    run([dump, "--format=custom", f"--file={dumps[1]}", "--data-only", *(f"--table=public.{n}" for n in KEYS_TABLES), f"--dbname={superuser}"])
    erase(node, leaver)
    checkpoint = lead_once(node)
    node.register(client_name="committed, and without a position in the dump")
    apart = [f"--exclude-table-data=public.{name}" for name in KEYS_TABLES]
    run([dump, "--format=custom", f"--file={dumps[0]}", *apart, f"--dbname={superuser}"])
    newest = node.refresh(client_id, tokens["refresh_token"]).get_json()
    node.tokens(client_id)
    with psycopg.connect(node.app.dsn) as connection:
        vkey = signer_of(node.app.settings, connection).vkeys[0]
    return Yesterday(dumps, client_id, idle, tokens, vkey, checkpoint, leaver, lead_once(node), newest)


def erase(node: World, member_id: str) -> None:
    """What erasing leaves: an event without a name, and no key."""
    from uuid import UUID

    from domain.member import Member
    from tests.support.oauth_world import CLI

    member = node.services.store.load(Member, UUID(member_id))
    assert member is not None
    leaving = member.copy()
    leaving.record(Member.Erased, node.services.context(node.account_id, CLI), kids=(), request="7")
    node.services.store.append([leaving])
    with psycopg.connect(node.app.dsn) as connection:
        connection.execute("DELETE FROM subjects WHERE subject = %s", (member_id,))
        connection.execute("DELETE FROM logins WHERE member_id = %s", (member_id,))


def keys_of(dsn: str, member_id: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM subject_keys WHERE subject = %s", (member_id,)).fetchone()
    assert row is not None
    return int(row[0])


def test_yesterdays_dump_is_refused_adopted_and_signed_on_under_the_next_name(database: Database, embedded_folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    with oauth_world(database) as world:
        with node_of(world, database.web_dsn, kept) as node:
            before = go_on(world, node, embedded_folder, tmp_path)
        with EmbeddedPostgres(embedded_folder / "data") as other:
            restore(other, before.dumps, embedded_folder)
            with node_of(world, other.web_dsn, kept) as node:
                is_refused(node, before)
            said = adopts(other.web_dsn, kept, before)
            assert said["adopted"]["lost"] == before.lost.size - positions(other.web_dsn)
            assert keys_of(other.web_dsn, before.erased) == 0
            with node_of(world, other.web_dsn, kept) as node:
                ended_all(node, before)
                signs_on(node, before, said["adopted"], tmp_path)


def restore(other: EmbeddedPostgres, dumps: Sequence[Path], embedded_folder: Path) -> None:
    for file in dumps:
        run([program("pg_restore", embedded_folder), "--exit-on-error", "--single-transaction", f"--dbname={other.superuser_dsn}", file])


def positions(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM positions").fetchone()
    assert row is not None
    return int(row[0])


def is_refused(node: World, before: Yesterday) -> None:
    """No token is read or made, and no order is made up."""
    assert keys_of(node.app.dsn, before.erased) > 0, "the older dump of the keys brought them back"
    for token in (before.live, before.spent_later, before.newest):
        answer = node.refresh(before.client_id, token["refresh_token"])
        assert answer.status_code == 503, answer.text
        assert "Retry-After" in answer.headers
        assert asks_about(node, token["access_token"]) == 503
    found = node.app.status()
    assert not found.ready
    assert "grantbook ledger adopt" in found.checks["cluster"]
    with psycopg.connect(node.app.dsn, autocommit=True) as connection, pytest.raises(OrderRefused, match="ledger adopt"):
        Sequencer(connection)


def asks_about(node: World, token: str) -> int:
    """What a resource gets that asks whether the token is good."""
    basic = base64.b64encode(":".join(node.credentials[MCP]).encode()).decode()
    return node.post("/oauth/introspect", headers={"Authorization": f"Basic {basic}"}, token=token).status_code


def adopts(dsn: str, kept: Path, before: Yesterday) -> dict[str, Any]:
    grantbook = Grantbook(clean_environment(**environment(dsn, kept)), kept.parent)
    asked = grantbook.run("ledger", "adopt")
    assert asked.returncode == 1
    assert "restored into another cluster" in asked.stdout
    assert f"one of {before.lost.size:,} entries of {OLD_LOG}" in asked.stdout
    assert "are lost. If there is a newer copy" in asked.stdout
    assert "Sessions may go on only if" in grantbook.refused("ledger", "adopt", "--yes", "--keep-sessions")
    said: dict[str, Any] = grantbook("ledger", "adopt", "--yes")
    assert said["sessions"] == 2
    assert said["adopted"]["placed"] == 1
    assert "Nothing is to be adopted" in grantbook.run("ledger", "adopt").stdout
    assert "end every session" in grantbook.run("ledger", "adopt", "--set-back").stderr, "it asks, and nobody answers"
    return said


def ended_all(node: World, before: Yesterday) -> None:
    """Spent, live, or issued after the dump: no token of before is worth anything, and people connect anew."""
    for token in (before.live, before.spent_later, before.newest):
        answer = node.refresh(before.client_id, token["refresh_token"])
        assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_grant")
        assert node.introspect(token["access_token"]) == {"active": False}
    again = node.tokens(before.client_id)
    assert node.refresh(before.client_id, again["refresh_token"]).status_code == 200
    assert node.app.status().ready


def signs_on(node: World, before: Yesterday, facts: dict[str, object], folder: Path) -> None:
    """The new log holds all that the old one is known to have held; the break is named, to whoever holds which old checkpoint."""
    signed = lead_once(node)
    node.client_id()
    signed = lead_once(node)
    with psycopg.connect(node.app.dsn, autocommit=True) as connection:
        signer = signer_of(node.app.settings, connection)
        assert signer.origin == facts["log"] == f"{OLD_LOG}/2"
        assert [*verify_ledger(connection), *live.findings(connection, signer)] == []
        bundle = folder / "all.zip"
        write_bundle(connection, signed, bundle, node.account_id)
    vkey = signer.vkeys[0]
    assert vkey.rsplit("+", 1)[1][:8] == before.vkey.rsplit("+", 1)[1][:8], "the key is the same, under another name"
    found = check_bundle(bundle, vkey, before.checkpoint.note)
    assert found.complete_to is not None
    (only,) = found.breaks
    assert (only.old_log, only.good and only.good.size, only.lost) == (OLD_LOG, before.checkpoint.size, facts["lost"])
    assert f"{OLD_LOG} was given up" in str(only)
    with pytest.raises(NotProven, match=rf"checkpoint of {before.lost.size} entries of {OLD_LOG}; those after {before.checkpoint.size} are not"):
        check_bundle(bundle, vkey, before.lost.note)
