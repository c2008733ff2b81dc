"""Scope, project and resource widening, by every form and request that could try."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from application import approve_consent, manage_members
from domain.errors import InvalidInput, Refused
from tests.support.oauth_world import API, CLI, MCP, OAUTH, World


def approve(world: World, pending: Any, member_id: str, **choices: Any) -> str:
    facts = {"scopes": pending.scopes, "project_access": "all", "project_ids": (), "keep_alive": True, "text": "page", "origin": OAUTH, **choices}
    return approve_consent.approve(world.services, pending, member_id, **facts)


def test_the_consent_form_cannot_add_a_scope_that_was_not_asked_for(shared: World) -> None:
    client_id = shared.client_id()
    tokens = shared.tokens(client_id, scope="catalog:read", scopes="catalog:read jobs:run account:manage offline_access projects:develop")
    assert tokens["scope"] == "catalog:read"


def test_the_consent_form_cannot_add_a_permission_that_the_member_lacks(shared: World) -> None:
    member = shared.member("Analyst")
    tokens = shared.tokens(shared.client_id(), member)
    assert tokens["scope"] == "offline_access account:read projects:query catalog:read"


def test_a_member_without_any_of_the_permissions_gets_no_code(shared: World) -> None:
    member = shared.member("Member")
    with pytest.raises(InvalidInput) as refused:
        shared.approve(shared.client_id(), member, scope="jobs:run projects:develop", scopes="jobs:run projects:develop")
    assert refused.value.field in ("scope", "project_id")


def test_there_is_no_code_without_a_scope_or_without_a_project(shared: World) -> None:
    client_id = shared.client_id()
    for choices, field in (
        ({"scopes": ()}, "scope"),
        ({"scopes": ("offline_access",)}, "scope"),
        ({"project_access": "selected"}, "project_id"),
        ({"project_access": "selected", "project_ids": ("prj_unknown",)}, "project_id"),
        ({"project_access": "everything"}, "project_id"),
        ({"project_access": ""}, "project_id"),
    ):
        with pytest.raises(InvalidInput) as refused:
            approve(shared, shared.pending(client_id), shared.admin_id, **choices)
        assert refused.value.field == field


def test_scopes_of_different_projects_never_multiply(shared: World) -> None:
    member = shared.member("Analyst", projects=["Sales"])
    manage_members.permit(shared.services, shared.account_id, UUID(member), "project.develop", origin=CLI, projects=["Marketing"])
    tokens = shared.tokens(shared.client_id(), member, scopes="projects:query projects:develop")
    details = {tuple(d["actions"]): tuple(d["projects"]) for d in shared.introspect(tokens["access_token"])["authorization_details"]}
    assert details == {("projects:query",): (shared.projects["Sales"],), ("projects:develop",): (shared.projects["Marketing"],)}


def test_a_project_that_the_member_does_not_hold_gives_nothing(shared: World) -> None:
    member = shared.member("Analyst", projects=["Sales"])
    with pytest.raises(InvalidInput):
        shared.approve(shared.client_id(), member, scopes="projects:query", projects=[shared.projects["Marketing"]])


def test_a_refresh_never_brings_back_a_scope_that_was_denied(shared: World) -> None:
    client_id = shared.client_id()
    tokens = shared.tokens(client_id, scopes="catalog:read")
    assert shared.refresh(client_id, tokens["refresh_token"], scope="catalog:read projects:query").get_json()["error"] == "invalid_scope"
    assert shared.refresh(client_id, tokens["refresh_token"], scope="").get_json()["scope"] == "offline_access catalog:read"


def test_a_wider_second_consent_does_not_widen_the_first_session(shared: World) -> None:
    client_id = shared.client_id()
    narrow = shared.tokens(client_id, scopes="catalog:read")
    shared.tokens(client_id, scopes="catalog:read projects:query jobs:run")
    assert shared.refresh(client_id, narrow["refresh_token"]).get_json()["scope"] == "offline_access catalog:read"


def test_a_permission_given_back_does_not_revive_an_old_session(shared: World) -> None:
    client_id, member = shared.client_id(), shared.member("Analyst")
    tokens = shared.tokens(client_id, member)
    manage_members.forbid(shared.services, shared.account_id, UUID(member), "metrics.query", origin=CLI)
    manage_members.permit(shared.services, shared.account_id, UUID(member), "metrics.query", origin=CLI)
    assert "projects:query" not in shared.refresh(client_id, tokens["refresh_token"]).get_json()["scope"].split()


def test_a_token_for_one_resource_is_dead_at_another(shared: World) -> None:
    client_id = shared.client_id()
    tokens = shared.tokens(client_id, resource=API, scope="account:read", scopes="account:read")
    assert shared.introspect(tokens["access_token"], API)["active"]
    assert shared.introspect(tokens["access_token"], MCP) == {"active": False}
    assert shared.refresh(client_id, tokens["refresh_token"], resource=MCP).get_json()["error"] == "invalid_target"


def test_a_client_that_registers_itself_never_gets_account_manage(shared: World) -> None:
    client_id = shared.client_id(scope="account:manage account:read")
    assert "error=invalid_scope" in shared.authorize(client_id, resource=API, scope="account:manage").headers["Location"]


def test_a_pending_request_is_decided_once(shared: World) -> None:
    pending = shared.pending(shared.client_id())
    approve(shared, pending, shared.admin_id)
    with pytest.raises(approve_consent.RequestEnded):
        approve(shared, pending, shared.admin_id)
    with pytest.raises(approve_consent.RequestEnded):
        approve_consent.deny(shared.services, pending, shared.admin_id, text="page", origin=OAUTH)


def test_a_member_of_nowhere_or_a_deactivated_one_approves_nothing(shared: World) -> None:
    client_id, member = shared.client_id(), shared.member("Analyst")
    manage_members.deactivate(shared.services, shared.account_id, UUID(member), origin=CLI)
    for nobody in (member, str(shared.services.new_id()), shared.account_id):
        with pytest.raises(Refused):
            approve(shared, shared.pending(client_id), nobody)
