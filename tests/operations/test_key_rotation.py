"""docs/operations.md, Keys: each kind changes without a live session noticing."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest
from werkzeug.test import Client as WsgiClient

from application import rotate_keys
from infrastructure.bootstrap import bootstrap
from infrastructure.rewrapping import rewrap
from infrastructure.settings import load_settings
from tests.operations.conftest import KEY_NAMES
from tests.support.oauth_world import CLI, ISSUER, KEYS, PlainPasswords, World, oauth_world
from tests.support.postgres import Database
from web.app import create_app, wrapped

NEW = base64.b64encode(secrets.token_bytes(32)).decode()
OTHER = base64.b64encode(secrets.token_bytes(32)).decode()
SECRET, WRAPPING = KEYS[0], KEYS[1]
Node = Callable[..., World]


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with oauth_world(database) as made:
        yield made


@pytest.fixture
def node(world: World) -> Iterator[Node]:
    """Another node on the same database, with other keys."""
    made: list[World] = []

    def start(**keys: str) -> World:
        given = {"GRANTBOOK_DATABASE_URL": world.database.web_dsn, "GRANTBOOK_BASE_URL": ISSUER, "GRANTBOOK_GATEWAY_PORT": "8001"}
        settings = load_settings(given | dict(zip(KEY_NAMES, KEYS, strict=True)) | {f"GRANTBOOK_{name}": text for name, text in keys.items()})
        app = bootstrap(settings, clock=world.clock, passwords=PlainPasswords())
        flask = create_app(app)
        started = replace(world, app=app, http=flask.test_client(), front=WsgiClient(wrapped(app, flask)))
        made.append(started)
        return started

    yield start
    for each in made:
        each.app.store.close()


def refreshed(node: World, client_id: str, tokens: dict[str, str]) -> dict[str, str]:
    answer = node.refresh(client_id, tokens["refresh_token"])
    assert answer.status_code == 200, answer.text
    assert node.introspect(answer.get_json()["access_token"])["active"]
    return dict(answer.get_json())


def test_secret_keys_change_in_three_steps_without_refusing_a_session_on_any_node(world: World, node: Node) -> None:
    client_id = world.client_id()
    tokens, idle = world.tokens(client_id), world.tokens(client_id)
    knows, signs = node(SECRET_KEYS=f"{SECRET},{NEW}"), node(SECRET_KEYS=f"{NEW},{SECRET}")
    tokens = refreshed(knows, client_id, tokens)
    tokens = refreshed(world, client_id, tokens)  # the first step runs beside nodes that don't know the new key
    for each in (signs, knows, signs, knows, signs):  # the second beside nodes of the first
        tokens = refreshed(each, client_id, tokens)
    assert rewrap(signs.app).lost == 0
    last = node(SECRET_KEYS=NEW)
    assert last.app.status().ready
    tokens = refreshed(last, client_id, tokens)
    refreshed(last, client_id, last.tokens(client_id))
    assert last.refresh(client_id, idle["refresh_token"]).get_json()["error"] == "invalid_grant"


def test_a_secret_key_that_goes_without_rewrapping_is_named_by_readyz(world: World, node: Node) -> None:
    assert world.app.status().ready
    assert "GRANTBOOK_SECRET_KEYS" in node(SECRET_KEYS=NEW).app.status().checks["keys"]


def test_wrapping_keys_change_without_losing_a_name(world: World, node: Node) -> None:
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    newest = node(WRAPPING_KEYS=f"{NEW},{WRAPPING}")
    tokens = refreshed(newest, client_id, tokens)
    done = rewrap(newest.app)
    assert done.data_keys > 0
    assert done.lost == 0
    assert rewrap(newest.app).data_keys == 0
    last = node(WRAPPING_KEYS=NEW)
    refreshed(last, client_id, tokens)
    event = last.events(last.admin_id)[0]
    assert last.app.keyring.open(event.name, f"{last.admin_id}:1") == "Ada"  # type: ignore[attr-defined]  # member.added has it


def test_rewrapping_without_the_old_key_changes_nothing_and_says_so(world: World, node: Node) -> None:
    world.tokens(world.client_id())
    assert rewrap(node(WRAPPING_KEYS=OTHER).app).lost > 0
    with psycopg.connect(world.database.web_dsn) as connection:
        kinds = connection.execute("SELECT count(DISTINCT kek_id) FROM subject_keys").fetchone()
    assert kinds == (1,)
    assert world.app.keyring.open(world.events(world.admin_id)[0].name, f"{world.admin_id}:1") == "Ada"  # type: ignore[attr-defined]  # as above


def test_signing_keys_change_while_tokens_of_the_old_one_still_hold(world: World) -> None:
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    made = rotate_keys.rotate(world.services, world.account_id, "token", origin=CLI)
    assert kid(refreshed(world, client_id, tokens)) != made.kid
    world.later(seconds=61)
    world.services.access_tokens.forget()  # every worker reads them anew within 30 s
    newer = world.tokens(client_id)
    assert kid(newer) == made.kid
    assert world.introspect(tokens["access_token"])["active"] is True
    assert world.introspect(newer["access_token"])["active"] is True


def kid(tokens: dict[str, str]) -> str:
    header = tokens["access_token"].partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])
