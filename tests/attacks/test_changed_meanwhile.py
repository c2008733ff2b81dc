"""What an admin forbids between the authorization request and the decision on it is not granted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from application import approve_consent, begin_authorization, decide_app, manage_members, manage_resources
from domain.errors import InvalidInput, Refused
from tests.support.oauth_world import CLI, MCP, OAUTH, World


def decide(world: World, pending: begin_authorization.PendingRequest, member_id: str, scopes: str) -> str:
    choice: dict[str, Any] = {"project_access": "all", "project_ids": (), "keep_alive": True, "text": "page"}
    return approve_consent.approve(world.services, pending, member_id, scopes=scopes.split(), origin=OAUTH, **choice)


def test_a_scope_that_apps_may_not_have_any_more_is_neither_offered_nor_granted(world: World) -> None:
    client_id = world.client_id()
    pending = world.pending(client_id)
    world.policy(dynamic_scopes="account:read")
    state = begin_authorization.consent_state(world.services, pending, world.admin_id)
    assert state is not None
    assert [offer.scope.code for offer in state.scopes] == ["account:read"]
    with pytest.raises(InvalidInput):
        decide(world, pending, world.admin_id, "jobs:run")
    tokens = world.exchange(client_id, decide(world, pending, world.admin_id, "account:read jobs:run").split("code=")[1].split("&")[0])
    assert tokens.get_json()["scope"] == "offline_access account:read"


def test_a_removed_client_a_blocked_app_and_a_deactivated_person_get_no_code(world: World) -> None:
    removed, blocked, client_id = (world.client_id(client_name=name) for name in ("A", "B", "C"))
    member = world.member()
    waiting = [(world.pending(removed), world.admin_id), (world.pending(blocked), world.admin_id), (world.pending(client_id), member)]
    decide_app.remove(world.services, world.account_id, removed, actor_id=world.admin_id, origin=CLI)
    decide_app.block(world.services, world.account_id, blocked, actor_id=world.admin_id, origin=CLI)
    manage_members.deactivate(world.services, world.account_id, UUID(member), origin=CLI)
    for pending, person in waiting:
        with pytest.raises(Refused):
            decide(world, pending, person, "account:read")


def test_a_code_for_a_resource_that_was_removed_meanwhile_gives_nothing(world: World) -> None:
    client_id = world.client_id()
    pending = world.pending(client_id)
    manage_resources.remove(world.services, world.account_id, MCP, origin=CLI)
    url = decide(world, pending, world.admin_id, "account:read")
    answer = world.exchange(client_id, url.split("code=")[1].split("&")[0])
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_grant")
