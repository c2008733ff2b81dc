"""Account, policies, apps, sessions and consents: seen by reading back and by what it means for a client."""

from __future__ import annotations

from tests.support.oauth_world import REAL_SCOPES
from tests.web.api.conftest import Caller, Server, client_of, every_entry

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


def test_another_policy_is_tried_without_being_set(server: Server) -> None:
    admin, world = server.caller(), server.world
    client_id = client_of(server, "Tried")
    world.tokens(client_id, scope="account:read", scopes="account:read")
    server.settled()
    before = admin.get("/policies").get_json()
    tried = admin.get("/policies/registration/what-if?registration=allow-list&allowed_redirect_hosts=claude.ai,cursor:").get_json()
    (found,) = [one for one in tried["refused"] if one["client_id"] == client_id]
    assert (found["name"], found["people"], found["why"]) == ("Tried", 1, "Only listed apps can register here, and app.example is not listed.")
    assert tried["refused_apps"] == len(tried["refused"]) <= tried["apps"]
    assert admin.get("/policies/registration/what-if").get_json()["refused_apps"] == 0
    assert admin.get("/policies/registration/what-if?allowed_redirect_hosts=https://x/").status_code == 422
    assert admin.get("/policies/session/what-if?absolute_lifetime=1000000").get_json() == {"sessions": 0, "people": 0}
    assert admin.get("/policies/session/what-if?idle_window=0").status_code == 422
    assert admin.get("/policies").get_json() == before


def test_the_scope_catalogue_is_shown(admin: Caller) -> None:
    scopes = {scope["code"]: scope for scope in admin.get("/scopes").get_json()["data"]}
    assert scopes["account:manage"]["dynamic"] is False
    assert scopes["jobs:run"]["per_project"] is True


# ---- integrations


def test_an_app_is_decided_on_for_all_its_registrations(server: Server) -> None:
    admin, world = server.caller(), server.world
    first, second = client_of(server, "Twice"), client_of(server, "Twice")
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
    assert [r["client_id"] for r in every_entry(admin, f"/integrations/{first}/registrations", 1)] == [second, first]


def test_a_pending_app_is_approved(own_server: Server) -> None:
    admin = own_server.caller()
    admin.patch("/policies/registration", {"registration": "approval"})
    waiting = client_of(own_server, "Waiting")
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
    clients = [client_of(server, "Thrice") for _ in range(3)]
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
        client_of(server, name)
    server.settled()
    found = [row["name"] for row in every_entry(admin, "/integrations", 3)]
    assert [name for name in found if name.startswith("Paged")] == names[::-1]
    assert len(found) == len(set(found))


# ---- sessions and consents


def test_sessions_are_listed_shown_and_revoked(server: Server) -> None:
    admin, world = server.caller(), server.world
    client, member = client_of(server, "Sessions"), world.member("Job Operator")
    tokens = [world.tokens(client, member, scopes=REAL_SCOPES) for _ in range(3)]
    server.settled()
    listed = every_entry(admin, f"/sessions?client={client}", 2)
    assert {row["grant_id"] for row in listed} == {str(world.grant_id(t)) for t in tokens}
    assert {row["member_id"] for row in listed} == {member}
    assert len(every_entry(admin, f"/sessions?member_id={member}&scope=jobs:run", 2)) == 3
    assert every_entry(admin, "/sessions?client=nobody", 2) == []
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
    client, member = client_of(server, "Consents"), world.member("Job Operator")
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
