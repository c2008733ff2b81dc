from __future__ import annotations

import pytest

from tests.web.api.conftest import Caller


def _project(admin: Caller, name: str) -> tuple[str, str]:
    made = admin.post("/projects", {"name": name})
    assert made.status_code == 201, made.text
    return f"/projects/{made.get_json()['project_id']}", made.headers["ETag"]


def test_a_change_needs_if_match(admin: Caller) -> None:
    path, _ = _project(admin, "One")
    refused = admin.call("PATCH", path, json={"name": "Two"})
    assert (refused.status_code, refused.get_json()["code"]) == (428, "precondition-required")


def test_a_change_goes_through_on_what_was_read_and_never_on_what_has_changed(admin: Caller) -> None:
    path, first = _project(admin, "Three")
    assert admin.get(path).headers["ETag"] == first
    changed = admin.patch(path, {"name": "Four"}, tag=first)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first
    stale = admin.patch(path, {"name": "Five"}, tag=first)
    assert (stale.status_code, stale.get_json()["code"]) == (412, "changed-meanwhile")
    assert admin.get(path).get_json()["name"] == "Four"
    assert admin.patch(path, {"name": "Five"}, tag="*").status_code == 200
    assert admin.patch(path, {"name": "Six"}, tag=f'"nonsense", {admin.get(path).headers["ETag"]}').status_code == 200


def test_a_weak_tag_or_none_at_all_matches_nothing(admin: Caller) -> None:
    path, tag = _project(admin, "Seven")
    assert admin.patch(path, {"name": "Eight"}, tag=f"W/{tag}").status_code == 412
    assert admin.call("PATCH", path, json={"name": "Eight"}, headers={"If-Match": ""}).status_code == 428


def test_what_takes_away_needs_no_if_match_but_honours_it(admin: Caller) -> None:
    path, tag = _project(admin, "Nine")
    assert admin.patch(path, {"name": "Ten"}, tag=tag).status_code == 200
    assert admin.delete(path, headers={"If-Match": tag}).status_code == 412
    assert admin.delete(path).status_code == 204
    assert admin.delete(path).status_code == 404


def test_a_change_elsewhere_in_the_account_leaves_the_tag_alone(admin: Caller) -> None:
    path, tag = _project(admin, "Eleven")
    policy = admin.get("/policies/session").headers["ETag"]
    _project(admin, "Twelve")
    assert admin.get(path).headers["ETag"] == tag
    assert admin.patch("/policies/session", {"refresh_grace": 31}, tag=policy).status_code == 200
    assert admin.patch("/policies/session", {"refresh_grace": 32}, tag=policy).status_code == 412


@pytest.mark.parametrize("path", ["/account", "/policies/registration", "/policies/session"])
def test_a_read_that_has_not_changed_is_not_sent_again(admin: Caller, path: str) -> None:
    first = admin.get(path)
    again = admin.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert "Grantbook-Position" in again.headers


def test_members_integrations_and_resources_have_tags_too(admin: Caller) -> None:
    client = admin.post("/integrations", {"name": "Tagged", "redirect_uris": ["https://a.example/cb"], "scopes": ["account:read"]})
    path = f"/integrations/{client.get_json()['client_id']}"
    assert admin.post(f"{path}/verify", {}, headers={"If-Match": client.headers["ETag"]}).status_code == 200
    assert admin.post(f"{path}/block", {}, headers={"If-Match": client.headers["ETag"]}).status_code == 412
    member = admin.post("/members", {"email": "tagged@jaffle.example", "name": "T", "role": "Member"})
    own = f"/members/{member.get_json()['member_id']}"
    assert admin.patch(own, {"role": "Analyst"}, tag=member.headers["ETag"]).status_code == 200
    assert admin.patch(own, {"role": "Developer"}, tag=member.headers["ETag"]).status_code == 412
    resource = admin.post("/resources", {"identifier": "https://tagged.example", "scopes": ["account:read"]})
    assert admin.delete(f"/resources/{resource.get_json()['resource_id']}", headers={"If-Match": '"old"'}).status_code == 412
