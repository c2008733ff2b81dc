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


def test_a_moment_is_given_once_and_must_be_there(server: Server) -> None:
    admin = server.caller()
    assert admin.get("/access?position=1&at=2026-01-01T00:00:00Z").status_code == 422
    assert admin.get("/access?position=99999999").status_code == 422
    assert admin.get("/access?position=0").status_code == 422
    assert admin.get("/access?client=nobody").status_code == 422
    assert admin.get("/access?at=2020-01-01T00:00:00Z").get_json()["data"] == []
