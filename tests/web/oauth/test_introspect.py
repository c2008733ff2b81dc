"""PROTOCOL.md 27: introspection (RFC 7662)."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from application import manage_members, manage_resources
from application.allowances import Allowances
from application.known_access import KnownAccess
from application.services import Services
from infrastructure.store.store import PostgresStore
from infrastructure.store.tables import PostgresTables
from tests.support.oauth_world import API, CLI, ISSUER, MCP, World


@pytest.fixture(scope="module")
def client_id(shared: World) -> str:
    return shared.client_id()


def test_p27_a_live_token_is_told_with_what_holds_now(shared: World, client_id: str) -> None:
    tokens = shared.tokens(client_id, scopes="account:read projects:query catalog:read", projects=[shared.projects["Sales"]])
    told = shared.introspect(tokens["access_token"])
    assert told["active"] is True
    assert (told["iss"], told["aud"], told["client_id"], told["sub"], told["token_type"]) == (ISSUER, MCP, client_id, shared.admin_id, "Bearer")
    assert told["scope"] == tokens["scope"]
    assert told["authorization_details"] == [
        {"type": "project", "projects": [shared.projects["Sales"]], "actions": ["projects:query", "catalog:read"]}
    ]
    assert told["exp"] - told["iat"] == 600


def test_p27_what_is_unknown_or_for_another_resource_is_only_inactive(shared: World, client_id: str) -> None:
    tokens = shared.tokens(client_id)
    assert shared.introspect(tokens["access_token"], API) == {"active": False}
    for token in ("garbage", "a.b.c", tokens["refresh_token"], tokens["access_token"][:-1], tokens["access_token"] + "A", "é"):
        assert shared.introspect(token) == {"active": False}


@pytest.mark.parametrize("by_post", [False, True])
def test_p27_only_resources_with_their_secret_are_answered(shared: World, client_id: str, by_post: bool) -> None:
    token = shared.tokens(client_id)["access_token"]
    resource_id, secret = shared.credentials[MCP]
    for pair, status in (
        ((resource_id, secret), 200),
        ((resource_id, secret + "x"), 401),
        (("res_0", secret), 401),
        ((client_id, "x"), 401),
        (("", ""), 401),
    ):
        if by_post:
            response = shared.post("/oauth/introspect", token=token, client_id=pair[0], client_secret=pair[1])
        else:
            basic = base64.b64encode(":".join(pair).encode()).decode()
            response = shared.post("/oauth/introspect", headers={"Authorization": f"Basic {basic}"}, token=token)
        assert response.status_code == status
        if status == 401:
            assert response.get_json()["error"] == "invalid_client"
            assert response.headers["WWW-Authenticate"].startswith("Basic ")
    assert shared.post("/oauth/introspect", token=token).status_code == 401
    bearer = {"Authorization": f"Bearer {token}"}
    assert shared.post("/oauth/introspect", headers=bearer, token=token).status_code == 401


def test_introspection_answers_are_not_for_scripts_of_other_sites(shared: World) -> None:
    response = shared.post("/oauth/introspect", token="x")
    assert "Access-Control-Allow-Origin" not in response.headers


def ask(world: World, credentials: tuple[str, str], token: str) -> TestResponse:
    return world.post("/oauth/introspect", token=token, client_id=credentials[0], client_secret=credentials[1])


def another_worker(world: World) -> Services:
    """What another process has: a store with a cache of its own on the same database."""
    store = PostgresStore(world.database.web_dsn, world.app.keyring, clock=world.clock)
    return replace(world.services, store=store, known_access=KnownAccess(), allowances=Allowances())


@pytest.mark.parametrize("token", ["live", "dead", "garbage"])
def test_a_secret_rotated_elsewhere_is_refused_by_the_very_next_request(world: World, token: str) -> None:
    """Whatever token is asked about, by a worker that has asked before and has not heard of the rotation."""
    tokens = world.tokens(world.client_id())
    asked = {"live": tokens["access_token"], "dead": tokens["access_token"], "garbage": "garbage"}[token]
    old = world.credentials[MCP]
    for _ in range(3):
        assert ask(world, old, tokens["access_token"]).get_json()["active"] is True
    if token == "dead":
        world.post("/oauth/revoke", token=tokens["refresh_token"], client_id=world.client_id())
    elsewhere = another_worker(world)
    made = manage_resources.rotate(elsewhere, world.account_id, MCP, actor_id=world.admin_id, origin=CLI)
    assert ask(world, old, asked).status_code == 401
    assert ask(world, (made.resource_id, made.secret), asked).status_code == 200
    manage_resources.remove(elsewhere, world.account_id, MCP, actor_id=world.admin_id, origin=CLI)
    assert ask(world, (made.resource_id, made.secret), asked).status_code == 401
    again = manage_resources.add(elsewhere, world.account_id, identifier=MCP, scopes=["account:read"], origin=CLI)
    assert ask(world, (made.resource_id, made.secret), asked).status_code == 401
    assert ask(world, (again.resource_id, again.secret), asked).status_code == 200
    elsewhere.store.close()  # type: ignore[attr-defined]  # the real one


def test_a_secret_read_while_it_is_rotated_is_never_taken_for_the_new_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rotation comes between the look at the account and the look at the secret, and the other way round."""
    token = world.tokens(world.client_id())["access_token"]
    read, rotated = PostgresTables.credential, False

    def meanwhile(tables: PostgresTables, credential_id: str) -> Any:
        nonlocal rotated
        found = read(tables, credential_id)
        if not rotated:
            rotated = True
            made = manage_resources.rotate(world.services, world.account_id, MCP, origin=CLI)
            world.credentials[MCP] = (made.resource_id, made.secret)
        return found

    old = world.credentials[MCP]
    monkeypatch.setattr(PostgresTables, "credential", meanwhile)
    assert ask(world, old, token).status_code == 200  # it was right when it was read
    assert ask(world, old, token).status_code == 401
    assert world.introspect(token)["active"]


def test_a_lost_permission_a_removed_project_and_a_removed_resource_show_at_once(world: World) -> None:
    from application import manage_projects

    member = world.member("Analyst")
    client_id = world.client_id()
    token = world.tokens(client_id, member, scopes="projects:query catalog:read")["access_token"]
    manage_members.forbid(world.services, world.account_id, UUID(member), "metrics.query", origin=CLI, projects=["Sales"])
    assert {tuple(d["actions"]): d["projects"] for d in world.introspect(token)["authorization_details"]} == {
        ("projects:query",): [world.projects["Marketing"]],
        ("catalog:read",): [world.projects["Sales"], world.projects["Marketing"]],
    }
    manage_projects.remove(world.services, world.account_id, "Marketing", origin=CLI)
    told = world.introspect(token)
    assert told["scope"] == "offline_access catalog:read"
    manage_members.permit(world.services, world.account_id, UUID(member), "metrics.query", origin=CLI)
    assert world.introspect(token)["scope"] == "offline_access catalog:read"
    resource = world.credentials[MCP]
    manage_resources.remove(world.services, world.account_id, MCP, origin=CLI)
    assert ask(world, resource, token).status_code == 401


def test_an_expired_token_is_inactive(world: World) -> None:
    token = world.tokens(world.client_id())["access_token"]
    world.later(seconds=500)
    assert world.introspect(token)["active"]
    world.later(seconds=101)
    assert world.introspect(token) == {"active": False}
