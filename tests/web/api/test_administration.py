"""Members, resources, keys and the audit log: seen by reading back and by what it means for a client."""

from __future__ import annotations

import base64
import io
import json
import zipfile

import pytest

from tests.support.oauth_world import MCP
from tests.web.api.conftest import Caller, Server, client_of, every_entry

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
    found = [row["member_id"] for row in every_entry(admin, "/members", 2)]
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


def test_a_resource_is_changed_in_place_where_nobody_was_faster(server: Server) -> None:
    admin = server.caller()
    made = admin.post("/resources", {"identifier": "https://changed.example", "scopes": ["projects:query", "jobs:run"]})
    path, tag = f"/resources/{made.get_json()['resource_id']}", made.headers["ETag"]
    body = {"upstream": "http://127.0.0.1:9/mcp", "operations": {"tools": {"run": "jobs:run"}}}
    changed = admin.patch(path, body, tag=f'"{tag.strip(chr(34))}"')
    assert (changed.status_code, changed.get_json()["upstream"]) == (200, "http://127.0.0.1:9/mcp")
    assert "secret" not in changed.text
    assert admin.patch(path, {"upstream": None}, tag=f'"{tag.strip(chr(34))}"').status_code == 412
    assert admin.patch(path, {"upstream": None}).get_json()["upstream"] is None
    assert admin.patch(path, {"scopes": ["projects:query"]}).status_code == 422  # an operation needs the other one
    assert admin.patch(path, {"scopes": ["projects:query"], "operations": {}}).get_json()["scopes"] == ["projects:query"]
    assert admin.patch("/resources/res_nothing", {"upstream": None}).status_code == 404
    entry = admin.seen("/audit/entries?event_type=resource.updated", changed)["data"][-1]
    assert (entry["actor_id"], entry["event_context"]["identifier"]) == (admin.member_id, "https://changed.example")


def test_scopes_are_published_changed_and_removed(server: Server) -> None:
    admin = server.caller()
    words = {"title": "See reports", "description": "Reports and their numbers", "permission": "metrics.query"}
    made = admin.post("/scopes", {"code": "reports:read", **words})
    assert (made.status_code, made.headers["Location"]) == (201, "/api/v1/scopes/reports:read")
    assert (made.get_json()["per_project"], made.get_json()["acts"], made.get_json()["dynamic"]) == (True, False, True)
    assert admin.post("/scopes", {"code": "reports:read", **words}).status_code == 409
    assert admin.get("/scopes/reports:read").get_json() == made.get_json()
    assert admin.patch("/scopes/reports:read", {"title": "Read reports"}).get_json()["title"] == "Read reports"
    assert admin.patch("/scopes/account:read", {"permission": "jobs.run"}).status_code == 409
    assert admin.delete("/scopes/jobs:run").get_json()["code"] == "refused"
    assert admin.delete("/scopes/reports:read").status_code == 204
    assert admin.get("/scopes/reports:read").status_code == 404


def test_signing_keys_rotate_and_never_show_their_private_part(admin: Caller) -> None:
    made = admin.post("/signing-keys", {"use": "assertion"})
    assert (made.status_code, made.get_json()["status"]) == (201, "published")
    listed = admin.get("/signing-keys")
    stages = {key["kid"]: key["stage"] for key in listed.get_json()["data"]}
    assert stages[made.get_json()["kid"]] == made.get_json()["stage"] == "waiting"
    assert sorted(stages.values()) == ["signing", "signing", "waiting"]
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
    added = every_entry(admin, "/audit/entries?event_type=project.added", 2)
    assert [entry["event_context"]["name"] for entry in added][:4] == [f"Audited {number}" for number in (3, 2, 1, 0)]
    assert len({entry["id"] for entry in added}) == len(added)
    everything = every_entry(admin, "/audit/entries", 7)
    assert [entry["id"] for entry in everything] == [e["id"] for e in every_entry(admin, "/audit/entries", 200)][-len(everything) :]
    one = admin.get(f"/audit/entries/{added[0]['id']}").get_json()
    assert one == added[0]
    assert admin.get("/audit/entries?until=2020-01-01T00:00:00Z").get_json()["data"] == []
    assert admin.get(f"/audit/entries?member_id={admin.member_id}&client={server.client_id}").get_json()["data"]
    assert admin.get("/audit/entries?event_type=nonsense").status_code == 422
    assert admin.get("/audit/entries?since=yesterday").status_code == 422


def test_audit_entries_are_exported_and_the_export_is_recorded(server: Server) -> None:
    admin = server.caller()
    made = admin.post("/projects", {"name": "Exported"})
    wanted = [entry["id"] for entry in admin.seen("/audit/entries?event_type=project.added&limit=200", made)["data"]]
    lines = admin.get("/audit/export?event_type=project.added").text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == wanted
    table = admin.get(f"/audit/export?format=csv&event_type=project.added&member_id={admin.member_id}")
    assert table.content_type.startswith("text/csv")
    assert len(table.text.splitlines()) > 1
    proved = admin.get("/audit/export?format=ocsf&manifest=true&event_type=project.added")
    with zipfile.ZipFile(io.BytesIO(proved.data)) as zipped:
        assert zipped.namelist() == ["README.txt", "entries.ocsf.jsonl", "manifest.json"]
        assert json.loads(zipped.read("manifest.json"))["manifest"]["rows"] == len(wanted) == len(zipped.read("entries.ocsf.jsonl").splitlines())
    assert admin.get("/audit/export?from_position=1&to_position=1").status_code == 200
    server.settled()
    recorded = admin.get("/audit/entries?event_type=audit_log.exported").get_json()["data"]
    assert [(entry["source"], entry["actor_id"], entry["client_id"]) for entry in recorded] == [("api", admin.member_id, server.client_id)] * 4


def test_a_range_that_ends_before_it_begins_is_refused(server: Server) -> None:
    admin = server.caller()
    times = "since=2026-11-24T00:00:00Z&until=2026-11-23T23:59:59Z"
    for path, parameter in (
        (f"/audit/entries?{times}", "until"), (f"/audit/export?{times}", "until"), (f"/audit/export?{times}&format=zip", "until"),
        ("/audit/export?from_position=5&to_position=4", "to_position"),
    ):  # fmt: skip
        refused = admin.get(path)
        assert (refused.status_code, refused.get_json()["errors"][0]["parameter"]) == (422, parameter), path


@pytest.mark.parametrize("outcome", ["ok", "refused", "failed"])
def test_what_a_resource_reports_stands_in_the_audit_log(server: Server, outcome: str) -> None:
    admin, world = server.caller(), server.world
    member = world.member("Analyst")
    grant_id = str(world.grant_id(world.tokens(client_of(server, "Reported"), member, scopes="projects:query")))
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
