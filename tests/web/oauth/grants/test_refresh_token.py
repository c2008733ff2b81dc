"""PROTOCOL.md 18, 19 and 23: rotation, grace, reuse, and what ends a session."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from application import decide_app, end_consent, manage_members, manage_policies, revoke_grant
from domain.ids import consent_stream
from tests.support.oauth_world import API, CLI, MCP, REAL_SCOPES, World


@pytest.fixture(scope="module")
def client_id(shared: World) -> str:
    return shared.client_id()


def error_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.get_json()["error"]


def test_within_the_grace_the_predecessor_gets_the_same_successor(shared: World, client_id: str) -> None:
    tokens = shared.tokens(client_id)
    first = shared.refresh(client_id, tokens["refresh_token"]).get_json()
    again = shared.refresh(client_id, tokens["refresh_token"])
    assert again.status_code == 200
    assert again.get_json()["refresh_token"] == first["refresh_token"]
    assert again.get_json()["access_token"] != first["access_token"]
    shared.refresh(client_id, tokens["refresh_token"])
    assert shared.topics(shared.grant_id(tokens)).count("grant.refresh_replayed") == 1


def test_after_the_grace_the_predecessor_is_reuse(world: World) -> None:
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    first = world.refresh(client_id, tokens["refresh_token"]).get_json()
    world.later(seconds=31)
    assert error_of(world.refresh(client_id, tokens["refresh_token"])) == (400, "invalid_grant")
    assert error_of(world.refresh(client_id, first["refresh_token"])) == (400, "invalid_grant")


def test_p23_reuse_is_recorded_although_the_answer_is_an_error(shared: World, client_id: str) -> None:
    tokens = shared.tokens(client_id)
    latest = shared.refresh(client_id, tokens["refresh_token"]).get_json()
    shared.refresh(client_id, latest["refresh_token"])
    assert error_of(shared.refresh(client_id, tokens["refresh_token"])) == (400, "invalid_grant")
    assert shared.topics(shared.grant_id(tokens))[-1] == "grant.reuse_detected"


def test_twenty_parallel_refreshes_give_the_same_successor_to_all(shared: World, client_id: str) -> None:
    for _ in range(5):
        tokens = shared.tokens(client_id)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _, t=tokens["refresh_token"]: shared.refresh(client_id, t), range(20)))
        assert {a.status_code for a in answers} == {200}
        assert len({a.get_json()["refresh_token"] for a in answers}) == 1
        assert shared.topics(shared.grant_id(tokens)).count("grant.tokens_refreshed") == 1


def test_p19_a_refresh_may_narrow_scope_and_resource_and_never_widen(shared: World, client_id: str) -> None:
    tokens = shared.tokens(client_id, scopes="projects:query catalog:read")
    narrowed = shared.refresh(client_id, tokens["refresh_token"], scope="catalog:read", resource=MCP + "/")
    assert narrowed.get_json()["scope"] == "catalog:read"
    token = narrowed.get_json()["refresh_token"]
    assert error_of(shared.refresh(client_id, token, scope="catalog:read jobs:run")) == (400, "invalid_scope")
    assert error_of(shared.refresh(client_id, token, scope="nonsense")) == (400, "invalid_scope")
    assert error_of(shared.refresh(client_id, token, resource=API)) == (400, "invalid_target")
    assert shared.refresh(client_id, token).get_json()["scope"] == "offline_access projects:query catalog:read"


def test_p19_a_lost_permission_is_felt_by_the_next_refresh(world: World) -> None:
    client_id, member = world.client_id(), world.member("Analyst")
    tokens = world.tokens(client_id, member)
    manage_members.forbid(world.services, world.account_id, UUID(member), "metrics.query", origin=CLI)
    after = world.refresh(client_id, tokens["refresh_token"]).get_json()
    assert after["scope"] == "offline_access account:read catalog:read"
    assert world.introspect(tokens["access_token"])["scope"] == "offline_access account:read catalog:read"


def test_p19_a_deactivated_member_ends_the_grant(world: World) -> None:
    client_id, member = world.client_id(), world.member("Analyst")
    tokens = world.tokens(client_id, member)
    manage_members.deactivate(world.services, world.account_id, UUID(member), origin=CLI)
    assert error_of(world.refresh(client_id, tokens["refresh_token"])) == (400, "invalid_grant")
    manage_members.reactivate(world.services, world.account_id, UUID(member), origin=CLI)
    assert error_of(world.refresh(client_id, tokens["refresh_token"])) == (400, "invalid_grant")


def test_p19_a_blocked_and_a_removed_client_get_401_on_every_endpoint(world: World) -> None:
    for deed in (decide_app.block, decide_app.remove):
        client_id = world.client_id(client_name=deed.__name__)
        tokens, code = world.tokens(client_id), world.approve(client_id)["code"]
        deed(world.services, world.account_id, client_id, actor_id=world.admin_id, origin=CLI, reason=None)
        assert error_of(world.refresh(client_id, tokens["refresh_token"])) == (401, "invalid_client")
        assert error_of(world.exchange(client_id, code)) == (401, "invalid_client")
        assert error_of(world.exchange(client_id, "garbage")) == (401, "invalid_client")
        assert world.introspect(tokens["access_token"]) == {"active": False}


def test_after_a_block_or_a_removal_was_lifted_only_the_old_session_is_refused_and_not_the_client(world: World) -> None:
    client_id = world.client_id()
    tokens, code = world.tokens(client_id), world.approve(client_id)["code"]
    by: dict[str, Any] = {"actor_id": world.admin_id, "origin": CLI}
    decide_app.block(world.services, world.account_id, client_id, **by)
    assert error_of(world.refresh(client_id, tokens["refresh_token"])) == (401, "invalid_client")
    decide_app.unblock(world.services, world.account_id, client_id, **by)
    refused = world.refresh(client_id, tokens["refresh_token"])
    assert error_of(refused) == (400, "invalid_grant")
    assert refused.get_json()["error_description"] == "An admin blocked the app meanwhile; the session has ended for good."
    assert error_of(world.exchange(client_id, code)) == (400, "invalid_grant")
    assert world.refresh(client_id, world.tokens(client_id)["refresh_token"]).status_code == 200


def test_a_blocked_client_hears_that_first_whatever_else_ended_the_session(world: World) -> None:
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    by: dict[str, Any] = {"actor_id": world.admin_id, "origin": CLI}
    revoke_grant.revoke(world.services, world.account_id, str(world.grant_id(tokens)), by="admin", **by)
    assert error_of(world.refresh(client_id, tokens["refresh_token"])) == (400, "invalid_grant")
    decide_app.block(world.services, world.account_id, client_id, **by)
    assert error_of(world.refresh(client_id, tokens["refresh_token"])) == (401, "invalid_client")


def test_a_revoked_session_a_withdrawn_consent_and_a_lost_plan_end_it_at_once(world: World) -> None:
    client_id = world.client_id()
    revoked = world.tokens(client_id)
    revoke_grant.revoke(world.services, world.account_id, str(world.grant_id(revoked)), by="admin", actor_id=world.admin_id, origin=CLI, reason=None)
    assert error_of(world.refresh(client_id, revoked["refresh_token"])) == (400, "invalid_grant")
    withdrawn = world.tokens(client_id)
    consent = consent_stream(world.account_id, world.admin_id, str(UUID(client_id.removeprefix("app_"))))
    end_consent.withdraw(world.services, world.account_id, str(consent), actor_id=world.admin_id, origin=CLI, reason=None)
    assert error_of(world.refresh(client_id, withdrawn["refresh_token"])) == (400, "invalid_grant")
    unpaid = world.tokens(client_id)
    manage_policies.change_plan(world.services, world.account_id, "team", origin=CLI)
    assert error_of(world.refresh(client_id, unpaid["refresh_token"])) == (400, "invalid_grant")


def test_the_inactivity_window_and_the_absolute_lifetime_end_a_session(world: World) -> None:
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    world.later(days=6, hours=23)
    tokens = world.refresh(client_id, tokens["refresh_token"]).get_json()
    for _ in range(13):
        world.later(days=6, hours=9)
        response = world.refresh(client_id, tokens["refresh_token"])
        assert response.status_code == 200, response.text
        tokens = response.get_json()
    world.later(days=1)
    assert error_of(world.refresh(client_id, tokens["refresh_token"])) == (400, "invalid_grant")
    idle = world.tokens(client_id)
    world.later(days=7, seconds=1)
    assert error_of(world.refresh(client_id, idle["refresh_token"])) == (400, "invalid_grant")


def test_an_access_token_never_outlives_its_grant(world: World) -> None:
    world.policy(absolute_lifetime="100s")
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    assert 95 <= tokens["expires_in"] <= 100
    world.later(seconds=60)
    assert world.refresh(client_id, tokens["refresh_token"]).get_json()["expires_in"] <= 40


def test_without_keep_alive_or_its_grant_type_there_is_no_refresh_token(shared: World, client_id: str) -> None:
    off = shared.tokens(client_id, keep_alive=False)
    assert "refresh_token" not in off
    assert off["scope"] == REAL_SCOPES
    unable = shared.client_id(grant_types=["authorization_code"])
    assert "refresh_token" not in shared.tokens(unable)
    quiet = shared.tokens(client_id, scope="catalog:read")
    assert "refresh_token" in quiet
    assert quiet["scope"] == "catalog:read"
