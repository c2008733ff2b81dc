"""Members as the pages have them: found, told how they sign in, signed out, and what a change would take."""

from __future__ import annotations

from uuid import UUID

from application import browser_sessions, manage_members
from application.services import Origin
from domain.member import Member
from tests.support.oauth_world import CLI
from tests.web.api.conftest import Caller, Server, client_of


def _member(server: Server, member_id: str) -> Member:
    found = server.world.services.store.load(Member, UUID(member_id))
    assert found is not None
    return found


def test_members_are_found_by_text_and_role(server: Server) -> None:
    admin = server.caller()
    made = admin.post("/members", {"email": "findable@jaffle.example", "name": "Find Able", "role": "Analyst"})
    who = made.get_json()["member_id"]
    for query, there in (
        ("text=FIND", True),
        ("text=able@", True),
        ("text=find&role=Analyst", True),
        ("text=find&role=Member", False),
        ("text=%25", False),
    ):
        assert (who in [row["member_id"] for row in admin.seen(f"/members?{query}", made)["data"]]) is there, query


def test_a_member_says_how_they_sign_in_and_who_looks_after_them(server: Server) -> None:
    admin, services, account_id = server.caller(), server.world.services, server.world.account_id
    made = admin.post("/members", {"email": "sso@jaffle.example", "name": "S", "role": "Member"})
    who = made.get_json()["member_id"]
    assert (made.get_json()["signs_in_with"], made.get_json()["directory"]) == ([], False)
    admin.post(f"/members/{who}/password", {"password": "correct horse battery staple"})
    services.store.tables().add_login(account_id, "sso", "https://idp.example", b"subject", who, None)
    services.store.tables().put_directory_user(account_id, who, user_name_key=b"s", external_id_key=None, profile={}, now=services.clock())
    found = admin.get(f"/members/{who}").get_json()
    assert (found["signs_in_with"], found["directory"]) == (["password", "sso"], True)
    listed = next(row for row in admin.seen("/members?text=sso@jaffle", made)["data"] if row["member_id"] == who)
    assert (listed["signs_in_with"], listed["directory"]) == (["password", "sso"], True)


def test_a_name_that_a_directory_changed_is_read(server: Server) -> None:
    from domain.base import Personal

    admin, services, account_id = server.caller(), server.world.services, server.world.account_id
    who = server.world.member("Member")
    member = _member(server, who)
    member.change_profile(Personal(who, "Another Name"), Personal(who, "another@jaffle.example"), services.context(account_id, CLI))
    services.store.append([member])
    found = admin.get(f"/members/{who}").get_json()
    assert (found["name"], found["email"]) == ("Another Name", "another@jaffle.example")


def test_sign_ins_are_ended(server: Server) -> None:
    admin, services, account_id = server.caller(), server.world.services, server.world.account_id
    who = server.world.member("Member")
    for _ in range(2):
        browser_sessions.open_session(services, account_id, Origin("ui", "203.0.113.7"), _member(server, who), method="password")
    answer = admin.post(f"/members/{who}/end-sign-ins")
    assert (answer.status_code, answer.get_json()) == (200, {"ended": 2})
    assert "Grantbook-Position" in answer.headers
    assert services.store.tables().browser_sessions_of(account_id, who) == []
    again = admin.post(f"/members/{who}/end-sign-ins")
    assert (again.get_json(), "Grantbook-Position" in again.headers) == ({"ended": 0}, False)


def test_a_preview_tells_what_a_change_takes_and_changes_nothing(server: Server) -> None:
    admin, world = server.caller(), server.world
    who, client = world.member("Developer"), client_of(server, "Tool")
    wide = world.tokens(client_of(server, "Wider Tool"), who, scopes="account:read projects:query")
    narrow = world.tokens(client, who, scopes="projects:query")
    server.settled()
    path = f"/members/{who}/preview"
    found = admin.get(f"{path}?deed=forbid&permission=metrics.query").get_json()
    assert (found["judged"], found["more"]) == (2, False)
    assert [(one["grant_id"], one["scopes"], sorted(one["left"])) for one in found["narrowing"]] == [
        (str(world.grant_id(wide)), ["projects:query"], ["account:read", "offline_access"])
    ]
    assert [(one["grant_id"], one["client_name"], one["left"]) for one in found["ending"]] == [(str(world.grant_id(narrow)), "Tool", [])]
    partly = admin.get(f"{path}?deed=forbid&permission=metrics.query&project=Sales").get_json()
    assert (len(partly["narrowing"]), partly["ending"]) == (2, [])
    assert admin.get(f"{path}?deed=role&role=Job+Operator").get_json()["narrowing"] == []
    assert len(admin.get(f"{path}?deed=deactivate").get_json()["ending"]) == 2
    assert _member(server, who).holds("metrics.query")
    assert world.refresh(client, narrow["refresh_token"]).status_code == 200


def test_a_preview_refuses_what_the_change_would_refuse(own_server: Server) -> None:
    admin, world = own_server.caller(), own_server.world
    manage_members.deactivate(world.services, world.account_id, UUID(world.admin_id), origin=CLI)
    path = f"/members/{admin.member_id}/preview"
    for query, status in (
        ("deed=deactivate", 409), ("deed=forbid&permission=account.manage", 409), ("deed=role&role=Member", 409), ("deed=role", 422),
        ("deed=forbid", 422), ("deed=fly", 422), ("deed=forbid&permission=jobs.run&project=none", 422), ("", 422),
    ):  # fmt: skip
        assert admin.get(f"{path}?{query}").status_code == status, query
    assert admin.get("/members/none/preview?deed=deactivate").status_code == 404
    viewer = own_server.caller("Account Viewer", "account:read")
    assert viewer.get(f"{path}?deed=forbid&permission=jobs.run").status_code == 200


def test_a_project_says_what_its_removal_takes(server: Server, admin: Caller) -> None:
    world = server.world
    made = admin.post("/projects", {"name": "Doomed"}).get_json()["project_id"]
    tokens = world.tokens(client_of(server, "Only There"), world.member("Analyst", [made]), scopes="projects:query", projects=[made])
    server.settled()
    found = admin.get(f"/projects/{made}/preview").get_json()
    assert [one["grant_id"] for one in found["ending"]] == [str(world.grant_id(tokens))]
    assert found["members"] >= 2
    assert found["apps"] >= 1
    assert admin.get(f"/projects/{made}").status_code == 200
    assert admin.get("/projects/none/preview").status_code == 404
