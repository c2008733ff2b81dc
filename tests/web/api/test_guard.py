from __future__ import annotations

import base64
import re
from typing import Any
from uuid import UUID

import pytest
from werkzeug.routing import Rule

from application import manage_members
from domain.roles import ROLES
from tests.support.oauth_world import API, CLI, MCP
from tests.web.api.conftest import PREFIX, Caller, Server
from web.api.authentication import MANAGE, READ, RESOURCE, Needs

UNKNOWN = "0a9c1c5e-6a53-4c7f-9f0e-1d9a9a3a7b21"
PUBLIC = {"/api/v1/openapi.json"}


def _operations(server: Server) -> list[tuple[str, str, Needs]]:
    """Every route of the API with its method and what its guard says that it needs."""
    app: Any = server.world.http.application
    rules: list[Rule] = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith(PREFIX) and rule.rule not in PUBLIC]
    found = []
    for rule in rules:
        needs = app.view_functions[rule.endpoint].api_needs
        path = re.sub(r"<[^>]+>", UNKNOWN, rule.rule).removeprefix(PREFIX)
        found += [(method, path, needs) for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]
    return found


def test_every_route_of_the_api_has_a_guard(server: Server) -> None:
    operations = _operations(server)
    assert len(operations) > 45
    assert {needs.scope for _, _, needs in operations} == {READ, MANAGE, RESOURCE}
    for method, path, needs in operations:
        assert (needs.scope == READ) == (method == "GET"), path
        assert needs.permissions or needs.scope == RESOURCE, path
        assert bool(needs.operation) == (needs.scope == MANAGE), path


def test_every_route_refuses_calls_without_a_token(server: Server) -> None:
    nobody = Caller(server.world, "")
    for method, path, needs in _operations(server):
        response = nobody.call(method, path)
        assert response.status_code == 401, path
        assert response.content_type == "application/problem+json"
        challenge = response.headers["WWW-Authenticate"]
        if needs.scope == RESOURCE:
            assert challenge == 'Basic realm="grantbook"'
        else:
            assert (
                challenge
                == f'Bearer resource_metadata="{API.replace("/api/v1", "/.well-known/oauth-protected-resource/api/v1")}", scope="account:read"'
            )


@pytest.mark.parametrize("token", ["x", "a.b.c", "Bearer", "\u00e9"])
def test_every_route_refuses_tokens_that_are_none(server: Server, token: str) -> None:
    for method, path, needs in _operations(server):
        if needs.scope != RESOURCE:
            response = Caller(server.world, token).call(method, path)
            assert response.status_code == 401, path
            assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_a_token_for_another_resource_is_refused_everywhere(server: Server) -> None:
    other = server.world.tokens(server.client_id, scopes="account:read", scope="account:read", resource=MCP, keep_alive=False)["access_token"]
    for method, path, needs in _operations(server):
        if needs.scope != RESOURCE:
            assert Caller(server.world, other).call(method, path).status_code == 401, path


def test_every_change_needs_the_scope_account_manage(server: Server) -> None:
    reader = server.caller(scopes="account:read")
    for method, path, needs in _operations(server):
        if needs.scope == MANAGE:
            response = reader.call(method, path)
            assert response.status_code == 403, path
            challenge = response.headers["WWW-Authenticate"]
            assert challenge.startswith('Bearer error="insufficient_scope"')
            assert 'scope="account:read account:manage"' in challenge


def test_every_read_needs_the_scope_account_read(server: Server) -> None:
    writer = server.caller(scopes="account:manage")
    for method, path, needs in _operations(server):
        if needs.scope == READ:
            response = writer.call(method, path)
            assert response.status_code == 403, path
            assert 'scope="account:manage account:read"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("role", [role for role in ROLES if role != "Account Admin"])
def test_every_route_needs_the_members_own_permission(server: Server, role: str) -> None:
    caller = server.caller(role, "account:read")
    for method, path, needs in _operations(server):
        if needs.scope != READ:
            continue
        permitted = all(permission in ROLES[role] for permission in needs.permissions)
        response = caller.call(method, path)
        assert (response.status_code != 403) == permitted, path
        if not permitted:
            assert response.get_json()["code"] == "not-permitted"


def test_what_a_viewer_may_not_see_in_the_pages_a_plain_member_may_not_read_here(server: Server) -> None:
    member = server.caller("Member", "account:read")
    assert {path for path in ("/account", "/projects", "/scopes", "/me", "/me/consents", "/me/sessions") if member.get(path).status_code == 200} == {
        "/account", "/projects", "/scopes", "/me", "/me/consents", "/me/sessions",
    }  # fmt: skip
    for path in ("/integrations", "/sessions", "/consents", "/members", "/audit/entries", "/policies", "/resources", "/signing-keys", "/projections"):
        assert member.get(path).status_code == 403, path


def test_a_permission_lost_is_felt_by_the_next_call(server: Server) -> None:
    admin, world = server.new_caller(), server.world
    assert admin.post("/projects", {"name": "Before"}).status_code == 201
    manage_members.forbid(world.services, world.account_id, UUID(admin.member_id), "account.manage", origin=CLI)
    refused = admin.post("/projects", {"name": "After"})
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert admin.get("/account").status_code == 200
    manage_members.forbid(world.services, world.account_id, UUID(admin.member_id), "audit.read", origin=CLI)
    assert admin.get("/audit/entries").get_json()["code"] == "not-permitted"


def test_a_deactivated_member_and_a_revoked_session_are_refused_at_once(server: Server) -> None:
    gone, revoked = server.new_caller(), server.new_caller()
    admin = server.caller()
    assert admin.post(f"/members/{gone.member_id}/deactivate").status_code == 200
    assert gone.get("/account").status_code == 401
    grant_id = revoked.get("/me").get_json()["grant_id"]
    assert admin.delete(f"/sessions/{grant_id}").status_code == 204
    assert revoked.get("/account").status_code == 401


def test_a_browsers_session_cookie_opens_nothing_and_no_page_may_read_answers(server: Server) -> None:
    response = server.world.http.get(f"{PREFIX}/account", headers={"Cookie": "gb_session=whatever", "Origin": "https://evil.example"})
    assert response.status_code == 401
    assert "Access-Control-Allow-Origin" not in response.headers
    answered = server.caller().get("/account", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answered.headers


def test_a_session_makes_so_many_calls_a_minute_and_no_more(own_server: Server) -> None:
    own_server.world.limit(api_calls_per_minute=3)
    caller = own_server.caller()
    answers = [caller.get("/account").status_code for _ in range(5)]
    assert answers == [200, 200, 200, 429, 429]
    refused = caller.get("/account")
    assert 0 < int(refused.headers["Retry-After"]) <= 61
    assert refused.get_json()["code"] == "too-many-requests"


def test_changes_are_recorded_with_their_client_and_as_actions(server: Server) -> None:
    admin = server.caller()
    made = admin.post("/projects", {"name": "Recorded"})
    entries = admin.seen("/audit/entries?event_type=project.added&event_type=action.performed", made)["data"]
    added = next(e for e in entries if e["event_type"] == "project.added" and e["event_context"]["name"] == "Recorded")
    assert (added["source"], added["actor_type"], added["actor_id"], added["client_id"]) == ("api", "user", admin.member_id, server.client_id)
    server.settled()
    entries = admin.get("/audit/entries?event_type=action.performed").get_json()["data"]
    done = entries[0]
    assert (done["source"], done["client_id"], done["actor_id"]) == ("api", server.client_id, admin.member_id)
    assert (done["event_context"]["operation"], done["event_context"]["outcome"]) == ("projects.add", "ok")
    assert done["grant_id"] == admin.get("/me").get_json()["grant_id"]


def test_refused_changes_are_recorded_without_what_was_typed(server: Server) -> None:
    admin = server.caller()
    assert admin.post("/projects", {"name": "Sales"}).status_code == 409
    reader = server.caller(scopes="account:read")
    assert reader.post("/projects", {"name": "Mine"}).status_code == 403
    server.settled()
    done = [e["event_context"] for e in admin.get("/audit/entries?event_type=action.performed&limit=2").get_json()["data"]]
    assert [(d["outcome"], d["detail"]) for d in done] == [("refused", "insufficient-scope"), ("refused", "already-exists")]


def test_a_resource_reports_with_its_own_credentials_only(server: Server) -> None:
    identifier, secret = server.world.credentials[MCP]
    right = base64.b64encode(f"{identifier}:{secret}".encode()).decode()
    wrong = base64.b64encode(f"{identifier}:nope".encode()).decode()
    body = {"grant_id": UNKNOWN, "operation": "x", "outcome": "ok"}
    nobody = Caller(server.world, "")
    assert nobody.post("/audit/actions", body, headers={"Authorization": f"Basic {right}"}).status_code == 404
    assert nobody.post("/audit/actions", body, headers={"Authorization": f"Basic {wrong}"}).status_code == 401
    assert nobody.post("/audit/actions", body, headers={"Authorization": "Basic ???"}).status_code == 401
    assert server.caller().post("/audit/actions", body).status_code == 401
