"""What each group does, seen by reading back and by what it means for a client."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.oauth_world import MCP, REAL_SCOPES
from tests.web.api.conftest import Caller, Server


def _client(server: Server, name: str) -> str:
    return server.world.client_id(client_name=name)


def _all(caller: Caller, path: str, limit: int) -> list[Any]:
    """Every entry, page by page."""
    found: list[Any] = []
    mark = "&" if "?" in path else "?"
    where = f"{path}{mark}limit={limit}"
    while True:
        page = caller.get(where).get_json()
        assert len(page["data"]) <= limit + 1
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        where = f"{path}{mark}limit={limit}&cursor={page['next_cursor']}"


# ---- account, projects, policies


def test_the_account_and_who_calls(admin: Caller, server: Server) -> None:
    account = admin.get("/account").get_json()
    assert (account["slug"], account["plan"], account["api_url"]) == ("jaffle", "enterprise", server.world.services.api_url)
    me = admin.get("/me").get_json()
    assert (me["member_id"], me["role"], me["client_id"]) == (admin.member_id, "Account Admin", server.client_id)
    assert me["scopes"] == ["account:read", "account:manage"]
    assert me["permissions"]["account.manage"]["everywhere"] is True


def test_a_plan_without_apps_shuts_out_every_client_this_one_too(own_server: Server) -> None:
    admin = own_server.caller()
    assert admin.patch("/account", {"plan": "starter"}).get_json()["has_apps"] is False
    assert admin.get("/account").status_code == 401


def test_projects_come_are_renamed_and_go(admin: Caller) -> None:
    made = admin.post("/projects", {"name": "Ops"})
    path = made.headers["Location"].removeprefix("/api/v1")
    assert admin.get(path).get_json() == made.get_json()
    assert admin.patch(path, {"name": "Operations"}).get_json()["name"] == "Operations"
    unchanged = admin.patch(path, {"name": "Operations"})
    assert unchanged.status_code == 200
    assert "Grantbook-Position" not in unchanged.headers
    assert admin.post("/projects", {"name": "Operations"}).get_json()["code"] == "already-exists"
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404


def test_policies_change_in_part_and_warn(admin: Caller) -> None:
    before = admin.get("/policies").get_json()
    changed = admin.patch("/policies/session", {"access_token_ttl": 7200}).get_json()
    assert changed["access_token_ttl"] == 7200
    assert changed["idle_window"] == before["session"]["idle_window"]
    assert changed["warnings"]
    assert admin.patch("/policies/session", {"access_token_ttl": 600}).get_json()["warnings"] == []
    hosts = admin.patch("/policies/registration", {"registration": "allow-list", "allowed_redirect_hosts": ["a.example", "b.example"]}).get_json()
    assert hosts["allowed_redirect_hosts"] == ["a.example", "b.example"]
    assert admin.patch("/policies/registration", {"registration": "open", "allowed_redirect_hosts": []}).get_json()["allowed_redirect_hosts"] == []
    assert admin.patch("/policies/registration", {"dynamic_scopes": ["nope"]}).status_code == 422
    assert admin.patch("/policies/session", {}).status_code == 422
    assert admin.patch("/policies/session", {"access_token_ttl": 0}).status_code == 422


def test_the_scope_catalogue_is_shown(admin: Caller) -> None:
    scopes = {scope["code"]: scope for scope in admin.get("/scopes").get_json()["data"]}
    assert scopes["account:manage"]["dynamic"] is False
    assert scopes["jobs:run"]["per_project"] is True


# ---- integrations


def test_an_app_is_decided_on_for_all_its_registrations(server: Server) -> None:
    admin, world = server.caller(), server.world
    first, second = _client(server, "Twice"), _client(server, "Twice")
    tokens = world.tokens(second, scope="account:read", scopes="account:read")
    blocked = admin.post(f"/integrations/{first}/block", {"reason": "Not ours"})
    assert (blocked.get_json()["status"], blocked.get_json()["decision"]) == ("blocked", "blocked")
    assert world.introspect(tokens["access_token"]) == {"active": False}
    app = admin.seen(f"/integrations/{first}", blocked)
    assert (app["registrations"], app["decision_reason"], app["decided_by"]["member_id"]) == (2, "Not ours", admin.member_id)
    assert admin.get(f"/integrations/{second}").get_json()["fingerprint"] == app["fingerprint"]
    assert admin.post(f"/integrations/{first}/approve", {}).status_code == 409
    assert admin.post(f"/integrations/{second}/unblock").get_json()["status"] == "active"
    assert admin.post(f"/integrations/{first}/verify").get_json()["verified"] is True
    assert admin.post(f"/integrations/{first}/unverify").get_json()["verified"] is False
    assert [r["client_id"] for r in _all(admin, f"/integrations/{first}/registrations", 1)] == [second, first]


def test_a_pending_app_is_approved(own_server: Server) -> None:
    admin = own_server.caller()
    admin.patch("/policies/registration", {"registration": "approval"})
    waiting = _client(own_server, "Waiting")
    assert admin.get(f"/integrations/{waiting}").get_json()["status"] == "pending"
    approved = admin.post(f"/integrations/{waiting}/approve")
    assert approved.get_json()["status"] == "active"
    assert admin.seen("/integrations", approved)["data"][0]["status"] == "active"


def test_an_app_is_added_by_hand_and_removed(admin: Caller) -> None:
    body = {"name": "By hand", "redirect_uris": ["https://hand.example/cb"], "scopes": ["account:read"], "homepage": "https://hand.example"}
    made = admin.post("/integrations", body)
    assert made.status_code == 201
    app = made.get_json()
    assert (app["registration"], app["status"], app["client_id"]) == ("manual", "active", made.headers["Location"].rpartition("/")[2])
    assert app["client_id"] in {row["client_id"] for row in admin.seen("/integrations?registration=manual&limit=200", made)["data"]}
    gone = admin.delete(f"/integrations/{app['client_id']}?reason=Done")
    assert gone.status_code == 204
    assert admin.seen(f"/integrations/{app['client_stream']}", gone)["status"] == "removed"
    assert admin.delete(f"/integrations/{app['client_id']}").status_code == 409
    assert admin.post("/integrations", {**body, "redirect_uris": ["javascript:alert(1)"]}).get_json()["errors"][0]["pointer"] == "/redirect_uris"


def test_one_registration_is_removed_or_all_of_an_app(server: Server) -> None:
    admin = server.caller()
    clients = [_client(server, "Thrice") for _ in range(3)]
    server.settled()
    one = admin.delete(f"/integrations/{clients[0]}/registration")
    assert one.status_code == 204
    left = admin.seen(f"/integrations/{clients[1]}/registrations", one)["data"]
    assert [row["removed_at"] is None for row in left] == [True, True, False]
    rest = admin.delete(f"/integrations/{clients[1]}")
    assert all(row["removed_at"] for row in admin.seen(f"/integrations/{clients[1]}/registrations", rest)["data"])


def test_apps_are_paged_newest_first_without_gaps(server: Server) -> None:
    admin = server.caller()
    names = [f"Paged {number}" for number in range(7)]
    for name in names:
        _client(server, name)
    server.settled()
    found = [row["name"] for row in _all(admin, "/integrations", 3)]
    assert [name for name in found if name.startswith("Paged")] == names[::-1]
    assert len(found) == len(set(found))


# ---- sessions and consents


def test_sessions_are_listed_shown_and_revoked(server: Server) -> None:
    admin, world = server.caller(), server.world
    client, member = _client(server, "Sessions"), world.member("Job Operator")
    tokens = [world.tokens(client, member, scopes=REAL_SCOPES) for _ in range(3)]
    server.settled()
    listed = _all(admin, f"/sessions?client={client}", 2)
    assert {row["grant_id"] for row in listed} == {str(world.grant_id(t)) for t in tokens}
    assert {row["member_id"] for row in listed} == {member}
    assert len(_all(admin, f"/sessions?member_id={member}&scope=jobs:run", 2)) == 3
    assert _all(admin, "/sessions?client=nobody", 2) == []
    first = listed[0]["grant_id"]
    ended = admin.delete(f"/sessions/{first}?reason=Lost")
    shown = admin.seen(f"/sessions/{first}", ended)
    assert (shown["status"], shown["ended_by"]) == ("ended", "admin")
    again = admin.delete(f"/sessions/{first}")
    assert again.status_code == 204
    assert "Grantbook-Position" not in again.headers
    rest = admin.post("/sessions/revoke", {"member_id": member, "client": client})
    assert rest.get_json() == {"revoked": 2, "remaining": False}
    assert admin.seen(f"/sessions?member_id={member}", rest)["data"] == []
    assert all(world.introspect(t["access_token"]) == {"active": False} for t in tokens)
    assert admin.post("/sessions/revoke", {}).status_code == 422


def test_consents_are_narrowed_and_withdrawn(server: Server) -> None:
    admin, world = server.caller(), server.world
    client, member = _client(server, "Consents"), world.member("Job Operator")
    tokens = world.tokens(client, member, scopes="projects:query jobs:run", scope="offline_access projects:query jobs:run")
    server.settled()
    consent = admin.get(f"/consents?client={client}&in_force=true").get_json()["data"][0]
    path = f"/consents/{consent['consent_id']}"
    assert set(consent["scopes"]) >= {"projects:query", "jobs:run"}
    assert consent["projects"] is None
    sales = world.projects["Sales"]
    narrowed = admin.patch(path, {"scopes": ["projects:query"], "projects": [sales]})
    assert narrowed.status_code == 200, narrowed.text
    assert "jobs:run" not in narrowed.get_json()["scopes"]
    assert narrowed.get_json()["projects"] == [sales]
    now = world.introspect(tokens["access_token"])
    assert now["authorization_details"] == [{"type": "project", "projects": [sales], "actions": ["projects:query"]}]
    assert admin.patch(path, {"scopes": ["jobs:run"]}).status_code == 422
    assert admin.patch(path, {"projects": None}).status_code == 422
    gone = admin.delete(f"{path}?reason=Enough")
    assert gone.status_code == 204
    assert admin.seen(path, gone)["in_force"] is False
    assert admin.delete(path).status_code == 409
    assert world.introspect(tokens["access_token"]) == {"active": False}


def test_ones_own_consents_and_sessions_are_only_ones_own(server: Server) -> None:
    member = server.new_caller("Member", "account:read")
    server.settled()
    assert {row["member_id"] for row in member.get("/me/consents").get_json()["data"]} == {member.member_id}
    assert [row["client_id"] for row in member.get("/me/sessions").get_json()["data"]] == [server.client_id]


# ---- members


def test_members_are_added_changed_and_shut_out(server: Server) -> None:
    admin, sales = server.caller(), server.world.projects["Sales"]
    made = admin.post("/members", {"email": "New@Jaffle.example", "name": "New One", "role": "Analyst", "projects": ["Sales"]})
    person = made.get_json()
    path = f"/members/{person['member_id']}"
    assert (person["email"], person["name"], person["active"]) == ("new@jaffle.example", "New One", True)
    assert person["permissions"]["metrics.query"] == {"everywhere": False, "projects": [sales], "excluded": []}
    assert admin.post("/members", {"email": "new@jaffle.example", "name": "N", "role": "Member"}).status_code == 409
    assert admin.patch(path, {"role": "Job Operator"}).get_json()["permissions"]["jobs.run"]["everywhere"] is True
    forbidden = admin.delete(f"{path}/permissions/jobs.run?project=Sales")
    assert forbidden.get_json()["permissions"]["jobs.run"] == {"everywhere": True, "projects": [], "excluded": [sales]}
    assert admin.put(f"{path}/permissions/jobs.run", {"projects": [sales]}).get_json()["permissions"]["jobs.run"]["excluded"] == []
    assert admin.put(f"{path}/permissions/nothing", {}).status_code == 404
    assert admin.post(f"{path}/password", {"password": "correct horse battery staple"}).status_code == 204
    assert admin.post(f"{path}/password", {"password": "short"}).status_code == 422
    gone = admin.post(f"{path}/deactivate", {"reason": "Left"})
    assert gone.get_json()["active"] is False
    assert person["member_id"] in {row["member_id"] for row in admin.seen("/members?active=false", gone)["data"]}
    assert admin.post(f"{path}/reactivate").get_json()["active"] is True


def test_members_are_paged_in_the_order_they_were_added(server: Server) -> None:
    admin = server.caller()
    ids = [server.world.member("Member") for _ in range(5)]
    server.settled()
    found = [row["member_id"] for row in _all(admin, "/members", 2)]
    assert [member for member in found if member in ids] == ids
    assert len(found) == len(set(found))


# ---- resources, keys, projections


def test_resources_come_with_a_secret_that_works_and_rotates(server: Server) -> None:
    admin, world = server.caller(), server.world
    made = admin.post("/resources", {"identifier": "https://data.example", "scopes": ["projects:query"]}).get_json()
    path = f"/resources/{made['resource_id']}"
    world.credentials["data"] = (made["resource_id"], made["secret"])
    assert world.introspect("nothing", "data") == {"active": False}
    rotated = admin.post(f"{path}/rotate").get_json()
    assert rotated["secret"] != made["secret"]
    assert "secret" not in admin.get(path).get_json()
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404
    assert admin.post("/resources", {"identifier": "not a url", "scopes": ["projects:query"]}).status_code == 422
    wrong = {"identifier": "https://ops.example", "scopes": ["projects:query"], "operations": {"tools": {"x": "jobs:run"}}}
    assert admin.post("/resources", wrong).status_code == 422


def test_signing_keys_rotate_and_never_show_their_private_part(admin: Caller) -> None:
    made = admin.post("/signing-keys", {"use": "assertion"})
    assert (made.status_code, made.get_json()["status"]) == (201, "published")
    listed = admin.get("/signing-keys")
    assert made.get_json()["kid"] in {key["kid"] for key in listed.get_json()["data"]}
    assert "private" not in listed.text


def test_projections_say_where_they_stand(admin: Caller) -> None:
    found = admin.get("/projections").get_json()["data"]
    assert {one["name"] for one in found} >= {"integrations", "sessions", "consents", "members", "audit_log"}
    assert {one["state"] for one in found} == {"live"}


# ---- audit


def test_audit_entries_are_filtered_and_paged(server: Server) -> None:
    admin = server.caller()
    for number in range(4):
        made = admin.post("/projects", {"name": f"Audited {number}"})
    admin.seen("/audit/entries", made)
    added = _all(admin, "/audit/entries?event_type=project.added", 2)
    assert [entry["event_context"]["name"] for entry in added][:4] == [f"Audited {number}" for number in (3, 2, 1, 0)]
    assert len({entry["id"] for entry in added}) == len(added)
    everything = _all(admin, "/audit/entries", 7)
    assert [entry["id"] for entry in everything] == [e["id"] for e in _all(admin, "/audit/entries", 200)][-len(everything) :]
    one = admin.get(f"/audit/entries/{added[0]['id']}").get_json()
    assert one == added[0]
    assert admin.get("/audit/entries?until=2020-01-01T00:00:00Z").get_json()["data"] == []
    assert admin.get(f"/audit/entries?member_id={admin.member_id}&client={server.client_id}").get_json()["data"]
    assert admin.get("/audit/entries?event_type=nonsense").status_code == 422
    assert admin.get("/audit/entries?since=yesterday").status_code == 422


@pytest.mark.parametrize("outcome", ["ok", "refused", "failed"])
def test_what_a_resource_reports_stands_in_the_audit_log(server: Server, outcome: str) -> None:
    admin, world = server.caller(), server.world
    member = world.member("Analyst")
    grant_id = str(world.grant_id(world.tokens(_client(server, "Reported"), member, scopes="projects:query")))
    basic = base64.b64encode(":".join(world.credentials[MCP]).encode()).decode()
    body = {"grant_id": grant_id, "operation": "reports.export", "outcome": outcome, "scope": "projects:query", "projects": [world.projects["Sales"]]}
    told = Caller(world, "").post("/audit/actions", body, headers={"Authorization": f"Basic {basic}", "Idempotency-Key": f"a-{outcome}"})
    assert told.status_code == 204
    entry = admin.seen(f"/audit/entries?event_type=action.performed&grant_id={grant_id}", told)["data"][0]
    assert (entry["actor_id"], entry["source"], entry["event_context"]["operation"]) == (member, "api", "reports.export")
    assert (entry["event_context"]["outcome"], entry["event_context"]["resource"]) == (outcome, MCP)


def test_a_resource_reports_about_its_own_sessions_only(server: Server) -> None:
    world = server.world
    grant_id = server.caller().get("/me").get_json()["grant_id"]
    basic = base64.b64encode(":".join(world.credentials[MCP]).encode()).decode()
    other = Caller(world, "").post(
        "/audit/actions", {"grant_id": grant_id, "operation": "x", "outcome": "ok"}, headers={"Authorization": f"Basic {basic}"}
    )
    assert other.status_code == 404


def test_a_cursor_is_good_for_its_own_list(server: Server) -> None:
    admin = server.caller()
    server.world.member("Member")
    server.settled()
    cursor = admin.get("/members?limit=1").get_json()["next_cursor"]
    assert cursor
    for wrong in (f"/sessions?cursor={cursor}", "/members?cursor=x", "/members?cursor=bWVtYmVyczp4"):
        assert admin.get(wrong).status_code == 422
