"""Who could do what, asked through the API."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

from application import manage_members
from tests.support.oauth_world import CLI
from tests.web.api.conftest import Server, client_of


def test_the_past_is_told_with_the_events_that_made_it_so(server: Server) -> None:
    admin, world = server.caller(), server.world
    client_id, member = client_of(server, "Then"), world.member("Analyst", ["Sales"])
    world.tokens(client_id, member, scope="projects:query", scopes="projects:query")
    server.settled()
    asked = f"/access?client={client_id}"
    before = admin.get(asked).get_json()
    (line,) = before["data"]
    assert (line["member_id"], line["scope"], line["projects"]) == (member, "projects:query", [world.projects["Sales"]])
    assert set(line["because"]) == {"registration", "consent", "permission", "grant"}
    entry = admin.get(f"/audit/entries/{line['because']['registration'][0]}-1").get_json()
    assert (entry["event_type"], entry["client_id"]) == ("oauth_client.registered", client_id)
    manage_members.forbid(world.services, world.account_id, UUID(member), "metrics.query", projects=["Sales"], origin=CLI)
    server.settled()
    assert admin.get(asked).get_json()["data"] == []
    assert admin.get(f"{asked}&position={before['position']}").get_json()["data"] == before["data"]
    assert admin.get(f"{asked}&at={quote(before['at'])}").get_json()["data"] == before["data"]
    assert admin.get(f"{asked}&position={before['position']}&scope=jobs:run").get_json()["data"] == []
    assert (
        admin.get(f"/access?position={before['position']}&member_id={member}&project_id={world.projects['Sales']}").get_json()["data"]
        == before["data"]
    )


def test_two_moments_are_compared_with_the_events_that_made_the_difference(server: Server) -> None:
    admin, world = server.caller(), server.world
    client_id, member = client_of(server, "Between"), world.member("Analyst", ["Sales"])
    world.tokens(client_id, member, scope="projects:query", scopes="projects:query")
    server.settled()
    before = admin.get("/access").get_json()["position"]
    manage_members.forbid(world.services, world.account_id, UUID(member), "metrics.query", projects=["Sales"], origin=CLI)
    server.settled()
    after = admin.get("/access").get_json()["position"]
    asked = f"/access/difference?member_id={member}"
    (lost,) = admin.get(f"{asked}&position={before}").get_json()["data"]
    assert (lost["change"], lost["client_id"], lost["before"], lost["after"]) == ("lost", client_id, {"projects:query": ["Sales"]}, {})
    (by,) = lost["changed_by"]
    assert before < by <= after
    assert admin.get(f"/audit/entries/{by}-1").get_json()["event_type"] == "permission.removed"
    (gained,) = admin.get(f"{asked}&position=1&until_position={before}").get_json()["data"]
    assert (gained["change"], gained["after"]) == ("gained", lost["before"])
    assert set(gained["changed_by"]) <= set(gained["because"])
    same = admin.get(f"{asked}&position={before}&until_position={before}").get_json()
    assert (same["data"], same["position"], same["until_position"]) == ([], before, before)
    manage_members.deactivate(world.services, world.account_id, UUID(member), origin=CLI)
    server.settled()
    (again,) = admin.get(f"{asked}&position={before}&until_position={after}").get_json()["data"]
    assert again["changed_by"] == [by]  # the end of the session came later
    assert admin.get(f"{asked}&position=1").get_json()["data"] == []  # what came and went in between is no difference


def test_the_moments_of_a_comparison_are_checked(server: Server) -> None:
    admin = server.caller()
    server.settled()
    for query, parameter in (
        ("", "at"), ("position=5&until_position=4", "until"), ("position=1&until_position=99999999", "until_position"),
        ("at=2999-01-01T00:00:00Z", "at"), ("at=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "until"),
        ("position=1&until_position=2&until=2026-01-01T00:00:00Z", "until_position"), ("position=1&at=2026-01-01T00:00:00Z", "position"),
    ):  # fmt: skip
        refused = admin.get(f"/access/difference?{query}")
        assert refused.status_code == 422, query
        assert refused.get_json()["errors"][0]["parameter"] == parameter, query


def test_a_project_or_scope_that_there_never_was_is_told(server: Server) -> None:
    admin, sales = server.caller(), server.world.projects["Sales"]
    server.settled()
    head = admin.get("/access").get_json()["position"]
    for path in ("/access?", f"/access/difference?position={head}&", "/questions/who?"):
        project = "project" if "who" in path else "project_id"
        assert admin.get(f"{path}{project}={sales}&scope=projects:query").status_code == 200, path
        for query, parameter, there in ((f"{project}=prj_moon", project, "Sales"), ("scope=moon:fly", "scope", "projects:query")):
            refused = admin.get(path + query)
            assert refused.status_code == 422, path + query
            (error,) = refused.get_json()["errors"]
            assert (error["parameter"], there in error["detail"]) == (parameter, True)
    early = admin.get(f"/access?position=1&project_id={sales}")
    assert (early.status_code, "by event 1. Projects then: none." in early.get_json()["detail"]) == (422, True)


def test_a_moment_is_given_once_and_must_be_there(server: Server) -> None:
    admin = server.caller()
    assert admin.get("/access?position=1&at=2026-01-01T00:00:00Z").status_code == 422
    assert admin.get("/access?position=99999999").status_code == 422
    assert admin.get("/access?position=0").status_code == 422
    assert admin.get("/access?client=nobody").status_code == 422
    assert admin.get("/access?at=2020-01-01T00:00:00Z").get_json()["data"] == []
