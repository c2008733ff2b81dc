from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from application import manage_members, manage_policies, scim_token, sso_settings
from tests.web.pages.conftest import ORIGIN, PASSWORD, Site, connected, settled, signed_in
from tests.web.scim.conftest import USER, Scim
from tests.web.sso.conftest import settings_of

OKTA: dict[str, Any] = {
    "schemas": [USER],
    "name": {"givenName": "Olga", "familyName": "Okta"},
    "emails": [{"primary": True, "value": "olga.okta@jaffle.example", "type": "work"}],
    "displayName": "Olga Okta",
    "locale": "en-US",
    "externalId": "00ujl29u0le5T6Aj10h7",
    "groups": [],
    "password": "1mz050nq",
    "active": True,
}
ENTRA: dict[str, Any] = {
    "schemas": [USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
    "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
    "active": True,
    "emails": [{"primary": True, "type": "work", "value": "enno.entra@jaffle.example"}],
    "meta": {"resourceType": "User"},
    "name": {"formatted": "Enno Entra", "familyName": "Entra", "givenName": "Enno"},
    "roles": [],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Data"},
}


def error(answer: httpx.Response, status: int, scim_type: str | None = None) -> str:
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/scim+json"
    assert body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert body["status"] == str(status)
    assert body.get("scimType") == scim_type
    return str(body["detail"])


# ---- creating and finding


def test_a_person_is_created_and_found_by_everything_that_names_them(site: Site, scim: Scim) -> None:
    assert scim.find('userName eq "olga.okta@jaffle.example"') == []
    answer = scim.http.post("Users", json={**OKTA, "userName": "olga.okta@jaffle.example"})
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == made["meta"]["location"] == f"{scim.http.base_url}Users/{made['id']}"
    assert "password" not in made
    assert made["name"] == OKTA["name"]
    assert scim.http.get(f"Users/{made['id']}").json() == made
    for filter_ in (
        'userName eq "olga.okta@jaffle.example"', 'USERNAME EQ "Olga.Okta@Jaffle.Example"', 'externalId eq "00ujl29u0le5T6Aj10h7"',
        f'id eq "{made["id"]}"', f'{USER}:userName eq "olga.okta@jaffle.example"', 'emails[type eq "work"].value eq "olga.okta@jaffle.example"',
    ):  # fmt: skip
        assert scim.find(filter_) == [made], filter_
    assert scim.find('externalId eq "00UJL29u0le5T6Aj10h7"') == []
    member = manage_members.find_member(site.app.services, site.account_id, "olga.okta@jaffle.example")
    assert str(member) == made["id"]


def test_a_member_whom_an_admin_added_is_found_too_so_that_the_directory_takes_them_over(site: Site, scim: Scim) -> None:
    (found,) = scim.find(f'userName eq "{site.email("viewer")}"')
    assert found["id"] == site.people["viewer"]
    assert found["displayName"] == "Vera Vale"
    taken = scim.patch(found["id"], {"op": "add", "path": "externalId", "value": "okta-viewer"})
    assert taken.json()["externalId"] == "okta-viewer"
    assert scim.find('externalId eq "okta-viewer"')[0]["userName"] == site.email("viewer")


@pytest.mark.parametrize("taken", ["userName", "email"])
def test_nobody_is_created_twice(site: Site, scim: Scim, taken: str) -> None:
    scim.create(f"twice-{taken}@jaffle.example")
    again = {"userName": f"Twice-{taken}@jaffle.example"}
    if taken == "email":
        again = {"userName": "another name", "emails": [{"value": f"twice-{taken}@jaffle.example"}]}  # type: ignore[dict-item]  # as SCIM has it
    error(scim.http.post("Users", json=again), 409, "uniqueness")


def test_a_user_name_need_be_no_address(scim: Scim) -> None:
    made = scim.create("ada.l", emails=[{"value": "ada@jaffle.example"}, {"value": "ada@home.example", "type": "home"}])
    assert scim.find('userName eq "ADA.L"')[0]["id"] == made["id"]
    assert scim.find('userName eq "ada@jaffle.example"') == []


# ---- listing


def test_lists_come_in_pages(scim: Scim) -> None:
    for number in range(5):
        scim.create(f"page-{number}@jaffle.example")
    everyone = scim.http.get("Users").json()
    assert everyone["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
    assert everyone["totalResults"] == everyone["itemsPerPage"] == len(everyone["Resources"])
    pages = [scim.http.get("Users", params={"startIndex": start, "count": 3}).json() for start in range(1, everyone["totalResults"] + 1, 3)]
    assert [user["id"] for page in pages for user in page["Resources"]] == [user["id"] for user in everyone["Resources"]]
    nothing = scim.http.get("Users", params={"count": 0, "startIndex": -4}).json()
    assert (nothing["Resources"], nothing["startIndex"], nothing["totalResults"]) == ([], 1, everyone["totalResults"])
    beyond = scim.http.get("Users", params={"startIndex": 999_999}).json()
    assert (beyond["Resources"], beyond["itemsPerPage"]) == ([], 0)


def test_attributes_may_be_chosen_or_left_out(scim: Scim) -> None:
    made = scim.create("chosen@jaffle.example", displayName="Chosen")
    few = scim.http.get(f"Users/{made['id']}", params={"attributes": "userName,name.givenName"}).json()
    assert set(few) == {"schemas", "id", "meta", "userName"}
    less = scim.http.get(f"Users/{made['id']}", params={"excludedAttributes": "displayname"}).json()
    assert set(less) == set(made) - {"displayName"}


@pytest.mark.parametrize(
    "filter_",
    [
        'userName sw "a"', "userName eq a", "", 'userName eq "a" and active eq true', 'title eq "x"', 'userName eq "\\ud800"', "(" * 900,
    ],
)  # fmt: skip
def test_other_filters_are_refused_by_their_name(scim: Scim, filter_: str) -> None:
    error(scim.http.get("Users", params={"filter": filter_}), 400, "invalidFilter")


# ---- changing


def test_okta_deactivates_without_a_path(scim: Scim) -> None:
    made = scim.create("okta-off@jaffle.example")
    answer = scim.patch(made["id"], {"op": "replace", "value": {"active": False}})
    assert answer.status_code == 200
    assert answer.json()["active"] is False
    assert scim.find('userName eq "okta-off@jaffle.example"')[0]["active"] is False


@pytest.mark.parametrize(("number", "no"), [(1, "False"), (2, "false"), (3, False)])
def test_entra_deactivates_with_a_string(scim: Scim, number: int, no: object) -> None:
    made = scim.create(f"entra-off-{number}@jaffle.example")
    assert scim.patch(made["id"], {"op": "Replace", "path": "active", "value": no}).json()["active"] is False
    assert scim.patch(made["id"], {"op": "Add", "path": "active", "value": "True"}).json()["active"] is True


def test_entra_changes_names_and_addresses(site: Site, scim: Scim) -> None:
    made = scim.http.post("Users", json={**ENTRA, "userName": "enno.entra@jaffle.example"}).json()
    changed = scim.patch(
        made["id"],
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "enno.new@jaffle.example"},
        {"op": "Replace", "path": "name.familyName", "value": "Neu"},
        {"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "Sales"},
        {"op": "Add", "path": 'addresses[type eq "work"].country', "value": "DE"},
        {"op": "Replace", "value": {"userName": "enno.new@jaffle.example", "name.givenName": "Enno-Emil", "title": "Dr"}},
    ).json()
    assert changed["emails"] == [{"value": "enno.new@jaffle.example", "type": "work", "primary": True}]
    assert changed["userName"] == "enno.new@jaffle.example"
    assert changed["name"] == {"familyName": "Neu", "givenName": "Enno-Emil"}
    assert "title" not in changed
    assert scim.find('userName eq "enno.entra@jaffle.example"') == []
    assert str(manage_members.find_member(site.app.services, site.account_id, "enno.new@jaffle.example")) == made["id"]
    settled(site)
    with site.app.views() as conn:
        row = conn.execute("SELECT name, email FROM views.members WHERE member_id = %s", (made["id"],)).fetchone()
    assert row == ("Enno-Emil Neu", "enno.new@jaffle.example")


def test_entra_names_an_address_that_is_not_there_yet(scim: Scim) -> None:
    made = scim.create("later@jaffle.example")
    changed = scim.patch(made["id"], {"op": "Add", "path": 'emails[type eq "work"].value', "value": "later.work@jaffle.example"}).json()
    assert changed["emails"] == [{"value": "later.work@jaffle.example", "type": "work"}]


def test_a_put_is_the_whole_person_and_keeps_active_where_it_says_nothing(scim: Scim) -> None:
    made = scim.create("put@jaffle.example", displayName="Before", externalId="e-1")
    scim.patch(made["id"], {"op": "replace", "path": "active", "value": False})
    answer = scim.http.put(
        f"Users/{made['id']}", json={"schemas": [USER], "id": made["id"], "userName": "put@jaffle.example", "name": {"givenName": "P"}}
    )
    assert answer.status_code == 200
    assert answer.json()["active"] is False
    assert "externalId" not in answer.json()
    assert answer.json()["name"] == {"givenName": "P"}


def test_the_same_again_records_nothing(site: Site, scim: Scim) -> None:
    made = scim.create("same@jaffle.example", displayName="Same")
    settled(site)
    with site.app.views() as conn:
        before = conn.execute("SELECT count(*) FROM events").fetchone()
        for _ in range(2):
            assert scim.http.put(f"Users/{made['id']}", json=made).status_code == 200
            assert scim.patch(made["id"], {"op": "replace", "value": {"active": True, "displayName": "Same"}}).status_code == 200
        assert conn.execute("SELECT count(*) FROM events").fetchone() == before


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "remove"}, "noTarget"), ({"op": "boil", "path": "active"}, "invalidSyntax"),
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
        ({"op": "replace", "path": "][", "value": 1}, "invalidPath"), ({"op": "remove", "path": "userName"}, "invalidValue"),
        ({"op": "replace", "path": "active", "value": "perhaps"}, "invalidValue"), ({"op": "replace", "value": "x"}, "invalidSyntax"),
        ("x", "invalidSyntax"), ({"op": "replace", "path": "userName", "value": ["a"]}, "invalidValue"),
        ({"op": "replace", "path": "emails", "value": 7}, "invalidValue"), ({"op": "add", "path": "displayName", "value": "a\x00b"}, "invalidValue"),
        ({"op": "add", "path": "externalId", "value": "\ud800"}, "invalidValue"),
    ],
)  # fmt: skip
def test_a_patch_that_makes_no_sense_changes_nothing(scim: Scim, operation: Any, scim_type: str) -> None:
    made = scim.find('userName eq "nonsense@jaffle.example"') or [scim.create("nonsense@jaffle.example", displayName="Sense")]
    body = json.dumps({"Operations": [{"op": "replace", "path": "displayName", "value": "Changed"}, operation]})
    error(scim.http.patch(f"Users/{made[0]['id']}", content=body), 400, scim_type)
    assert scim.http.get(f"Users/{made[0]['id']}").json()["displayName"] == "Sense"


# ---- ending


def test_deactivating_ends_every_session_of_the_person_at_once(site: Site, scim: Scim) -> None:
    person = signed_in(site, "operator")
    app, tokens = connected(site, person, "Cursor")
    (found,) = scim.find(f'userName eq "{site.email("operator")}"')
    assert scim.patch(found["id"], {"op": "Replace", "path": "active", "value": "False"}).status_code == 200
    refused = app.refresh(tokens["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert person.http.get("/connected-apps").is_redirect
    assert person.sign_in().status_code == 401
    assert scim.patch(found["id"], {"op": "Replace", "path": "active", "value": "True"}).json()["active"] is True
    assert app.refresh(tokens["refresh_token"]).status_code == 400, "what ended stays ended"
    assert person.sign_in().status_code == 303


def test_deleting_deactivates_and_the_directory_sees_them_no_more(site: Site, scim: Scim) -> None:
    made = scim.create("deleted@jaffle.example", externalId="d-1")
    total = scim.http.get("Users").json()["totalResults"]
    assert scim.http.delete(f"Users/{made['id']}").status_code == 204
    error(scim.http.get(f"Users/{made['id']}"), 404)
    error(scim.http.delete(f"Users/{made['id']}"), 404)
    error(scim.patch(made["id"], {"op": "replace", "path": "active", "value": True}), 404)
    assert scim.find('userName eq "deleted@jaffle.example"') == scim.find('externalId eq "d-1"') == []
    assert scim.http.get("Users").json()["totalResults"] == total - 1
    settled(site)
    with site.app.views() as conn:
        assert conn.execute("SELECT active FROM views.members WHERE member_id = %s", (made["id"],)).fetchone() == (False,)
    again = scim.create("deleted@jaffle.example", displayName="Back Again")
    assert again["id"] == made["id"], "the same person, with the same history"
    assert again["active"] is True


def test_a_member_whom_the_directory_never_named_can_be_deleted_too(site: Site, scim: Scim) -> None:
    assert scim.http.delete(f"Users/{site.people['member']}").status_code == 204
    error(scim.http.get(f"Users/{site.people['member']}"), 404)


def test_a_break_glass_admin_outlives_the_directory(site: Site, scim: Scim) -> None:
    services, admin = site.app.services, site.people["admin"]
    wanted = settings_of("https://idp.example", break_glass=(admin,))
    sso_settings.change(services, site.app.identity, site.account_id, wanted, origin=ORIGIN, actor_id=admin)
    assert "break-glass" in error(scim.patch(admin, {"op": "replace", "value": {"active": False}}), 403)
    assert "break-glass" in error(scim.http.delete(f"Users/{admin}"), 403)


# ---- who may


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x.y", "Basic eDp5", "Bearer scim_" + "0" * 24 + ".secret"])
def test_without_the_token_nothing_is_told(site: Site, authorization: str) -> None:
    for path in ("Users", "Users/x", "ServiceProviderConfig", "nothing"):
        answer = httpx.get(f"{site.base_url}/scim/v2/{path}", headers={"Authorization": authorization} if authorization else {})
        error(answer, 401)
        assert answer.headers["www-authenticate"].startswith('Bearer realm="scim"')


def test_a_replaced_token_is_refused_at_once(site: Site, scim: Scim) -> None:
    fresh = scim_token.rotate(site.app.services, site.account_id, origin=ORIGIN, actor_id=site.people["admin"])
    try:
        assert scim.http.get("Users").status_code == 401
    finally:
        scim.http.headers["Authorization"] = f"Bearer {fresh.token}"
    assert scim.http.get("Users").status_code == 200


def test_a_plan_without_it_refuses(site: Site, scim: Scim) -> None:
    manage_policies.change_plan(site.app.services, site.account_id, "team", origin=ORIGIN)
    try:
        assert "Enterprise" in error(scim.http.get("Users"), 403)
        admin = signed_in(site, "admin")
        page = admin.http.get("/settings/sso")
        assert page.status_code == 200
        assert "Your plan does not include this." in page.text
        assert 'name="issuer"' not in page.text
    finally:
        manage_policies.change_plan(site.app.services, site.account_id, "enterprise", origin=ORIGIN)


# ---- the protocol's manners


def test_the_provider_describes_itself(site: Site, scim: Scim) -> None:
    config = scim.http.get("ServiceProviderConfig").json()
    assert config["patch"] == {"supported": True}
    assert config["filter"]["supported"] is True
    types = scim.http.get("ResourceTypes").json()
    assert types["Resources"][0]["endpoint"] == "/Users"
    schema = scim.http.get("Schemas").json()["Resources"][0]
    assert scim.http.get(f"Schemas/{USER}").json() == schema
    assert schema["id"] == USER


def test_what_is_not_there_is_told_as_scim_tells_it(scim: Scim) -> None:
    error(scim.http.get("Groups"), 404)
    error(scim.http.get("Users/not-a-uuid"), 404)
    error(scim.http.get("Users/00000000-0000-4000-8000-000000000000"), 404)
    error(scim.http.post("ServiceProviderConfig", json={}), 405)
    error(scim.http.delete("Users"), 405)
    error(scim.http.get("Users", params={"startIndex": "one"}), 400, "invalidValue")


@pytest.mark.parametrize(
    ("content", "status", "scim_type"),
    [
        (b"{", 400, "invalidSyntax"), (b"[]", 400, "invalidSyntax"), (b"\xff", 400, "invalidSyntax"), (b"{}", 400, "invalidValue"),
        (b'{"userName": 7}', 400, "invalidValue"), (b'{"userName": "no address"}', 400, "invalidValue"), (b'{"userName": NaN}', 400, "invalidSyntax"),
        (b'{"userName": "a@jaffle.example", "emails": [{"value": 3}]}', 400, "invalidValue"), (b"[" * 100_000, 400, "invalidSyntax"),
        (b'{"userName": "' + b"a" * 300 + b'"}', 400, "invalidValue"), (b'{"userName": "x@jaffle.example", "name": []}', 400, "invalidValue"),
    ],
)  # fmt: skip
def test_a_body_that_can_not_be_read_is_refused(scim: Scim, content: bytes, status: int, scim_type: str) -> None:
    error(scim.http.post("Users", content=content), status, scim_type)


def test_another_media_type_is_refused(scim: Scim) -> None:
    error(scim.http.post("Users", content=b"<user/>", headers={"Content-Type": "application/xml"}), 415)
    assert scim.http.post("Users", json={"userName": "plain@jaffle.example"}, headers={"Content-Type": "application/json"}).status_code == 201


def test_nothing_personal_stands_in_the_tables_or_events_in_the_clear(site: Site, scim: Scim) -> None:
    scim.create("secretive@jaffle.example", displayName="Secretive Sally", externalId="hidden-external-id")
    with site.app.views() as conn:
        rows = conn.execute(
            "SELECT profile::text || encode(user_name_key, 'escape') || encode(external_id_key, 'escape') FROM directory_users"
        ).fetchall()
        states = conn.execute("SELECT convert_from(state, 'UTF8') FROM events").fetchall()
    everything = " ".join(str(row[0]) for row in [*rows, *states])
    for word in ("secretive@", "Secretive", "hidden-external-id", PASSWORD):
        assert word not in everything
