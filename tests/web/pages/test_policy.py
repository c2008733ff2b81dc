from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from application import manage_policies
from domain.account import Account
from domain.policies import RegistrationPolicy, SessionPolicy
from tests.support.http_flow import App, Person, hidden
from tests.web.pages.conftest import ORIGIN, Site, connected, settled, signed_in, text_of

PAGE = "/settings/policy"
EVERYTHING = ["offline_access", "account:read", "projects:query", "catalog:read", "projects:develop", "jobs:run"]
REGISTRATION = {
    "registration": "open", "hosts": "", "software_ids": "", "scope": EVERYTHING, "per_hour": "1000", "total": "100000", "reap_days": "30",
}  # fmt: skip
SESSION = {
    "access_token_ttl": "10", "access_token_ttl_unit": "m", "idle_window": "7", "idle_window_unit": "d", "absolute_lifetime": "90",
    "absolute_lifetime_unit": "d", "refresh_grace": "30", "refresh_grace_unit": "s", "code_ttl": "1", "code_ttl_unit": "m",
}  # fmt: skip


@pytest.fixture(scope="module")
def admin(site: Site) -> Person:
    return signed_in(site, "admin")


@pytest.fixture(autouse=True)
def _defaults(site: Site) -> Iterator[None]:
    """Each test begins with the defaults."""
    yield
    services, account_id = site.app.services, site.account_id
    manage_policies.change_plan(services, account_id, "enterprise", origin=ORIGIN)
    texts = {"registration": "open", "allowed_redirect_hosts": "", "allowed_software_ids": "", "dynamic_scopes": "", "registrations_per_hour": "1000"}
    lengths = {name: str(getattr(SessionPolicy(), name)) for name in manage_policies.SESSION}
    manage_policies.change_policy(services, account_id, {**texts, "reap_unused_after_days": "30", **lengths}, origin=ORIGIN)


def account(site: Site) -> Account:
    found = site.app.services.store.load(Account, UUID(site.account_id))
    assert found is not None
    return found


def send(person: Person, path: str, fields: dict[str, Any], **changes: Any) -> httpx.Response:
    token = person.http.get(PAGE).text.partition('name="csrf_token" value="')[2].partition('"')[0]
    return person.http.post(f"{PAGE}{path}", data={"csrf_token": token, **fields, **changes})


def test_the_registration_policy_is_saved_shown_and_told_with_who_changed_it(site: Site, admin: Person) -> None:
    answer = send(admin, "/registration", REGISTRATION, registration="allow-list", hosts="Claude.ai\n cursor: \n", software_ids="abc", reap_days="7")
    assert answer.status_code == 303
    policy = account(site).registration_policy
    assert (policy.registration, policy.allowed_redirect_hosts, policy.allowed_software_ids) == ("allow-list", ("claude.ai", "cursor:"), ("abc",))
    assert (policy.reap_unused_after_days, policy.dynamic_scopes) == (7, ())
    page = admin.http.get(PAGE)
    assert "Saved 4 changes. Event" in text_of(page)
    assert "claude.ai\ncursor:</textarea>" in page.text
    settled(site)
    assert "Priya Raman changed registration to allow-list" in text_of(admin.http.get(PAGE))


def test_saving_what_stands_there_is_no_event(site: Site, admin: Person) -> None:
    before = account(site).version
    for path, form in (("/registration", REGISTRATION), ("/session", SESSION)):
        assert send(admin, path, form).status_code == 303
        assert "Nothing was changed." in text_of(admin.http.get(PAGE))
    assert account(site).version == before


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"registration": "maybe"}, "registration", "registration is one of"), ({"registration": ""}, "registration", "registration is one of"),
        ({"hosts": "https://claude.ai/cb"}, "hosts", "is no host"), ({"per_hour": "many"}, "per_hour", "whole number"),
        ({"total": ""}, "total", "whole number"), ({"reap_days": "40000"}, "reap_days", "whole number up to 36,500"),
        ({"scope": []}, "scopes", "Choose at least one permission"), ({"scope": ["nothing:real"]}, "scopes", "not in the catalogue"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/registration", "/registration/what-if"])
def test_what_can_not_be_is_said_at_its_field_and_the_rest_is_kept(
    site: Site, admin: Person, path: str, changes: dict[str, Any], field: str, words: str
) -> None:
    before = account(site).registration_policy
    answer = send(admin, path, {**REGISTRATION, "software_ids": "typed-before"}, **changes)
    assert answer.status_code == 400
    assert words in text_of(answer)
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}"' in answer.text
    assert "typed-before" in answer.text
    assert account(site).registration_policy == before == RegistrationPolicy()


def test_what_if_lists_the_apps_that_would_have_been_refused_and_saves_nothing(site: Site, admin: Person) -> None:
    operator, analyst = signed_in(site, "operator"), signed_in(site, "analyst")
    connected(site, operator, "Widely Used", "https://wide.example/cb")
    connected(site, analyst, "Widely Used", "https://wide.example/cb")
    connected(site, operator, "Listed", "https://listed.example/cb")
    settled(site)
    answer = send(admin, "/registration/what-if", REGISTRATION, registration="allow-list", hosts="listed.example long.example")
    assert answer.status_code == 200
    words = text_of(answer)
    assert re.search(r"With this policy the last 90 days would have refused 1 app of [23], used by 2 people\.", words)
    assert "Widely Used 2" in words
    assert "Only listed apps can register here, and wide.example is not listed." in words
    assert "listed.example long.example</textarea>" in answer.text
    assert account(site).registration_policy == RegistrationPolicy()
    nothing = text_of(send(admin, "/registration/what-if", REGISTRATION, registration="approval"))
    assert re.search(r"would have refused none of ([23]) apps\. \1 apps would have waited for an admin\.", nothing)
    assert admin.http.get(f"{PAGE}/registration/what-if").headers["location"] == PAGE


def test_permissions_taken_away_are_named_by_the_policy_from_then_on(site: Site, admin: Person) -> None:
    send(admin, "/registration", REGISTRATION, scope=["account:read", "projects:query"])
    assert account(site).registration_policy.dynamic_scopes == ("account:read", "projects:query")
    send(admin, "/registration", REGISTRATION, scope=["projects:query", "account:read"])
    assert account(site).registration_policy.dynamic_scopes == ("account:read", "projects:query")


def test_lifetimes_are_typed_as_people_say_them(site: Site, admin: Person) -> None:
    answer = send(admin, "/session", SESSION, access_token_ttl="2", access_token_ttl_unit="h", refresh_grace="0")
    assert answer.status_code == 303
    policy = account(site).session_policy
    assert (policy.access_token_ttl, policy.refresh_grace, policy.idle_window) == (7200, 0, 604800)
    words = text_of(admin.http.get(PAGE))
    assert "Saved 2 changes." in words
    assert "Access tokens live longer than an hour" in words
    assert "Without a grace every lost answer" in words


@pytest.mark.parametrize(
    ("name", "number", "unit"),
    [
        ("idle_window", "0", "d"),
        ("code_ttl", "", "m"),
        ("access_token_ttl", "ten", "m"),
        ("absolute_lifetime", "99999999", "d"),
        ("code_ttl", "1", "y"),
    ],
)
def test_a_length_that_is_none_is_said_at_its_field(site: Site, admin: Person, name: str, number: str, unit: str) -> None:
    answer = send(admin, "/session", SESSION, **{name: number, f"{name}_unit": unit})
    assert answer.status_code == 400
    assert f'id="{name}-error"' in answer.text
    assert account(site).session_policy == SessionPolicy()


def test_lifetimes_that_end_sessions_ask_first(site: Site, admin: Person) -> None:
    app, _ = connected(site, signed_in(site, "operator"), "Long Lived", "https://long.example/cb")
    settled(site)
    with psycopg.connect(site.app.dsn) as conn:  # as it will stand there in two days
        conn.execute("UPDATE views.sessions SET created_at = created_at - interval '2 days' WHERE client_id = %s", (app.client_id,))
    shorter = {**SESSION, "absolute_lifetime": "1"}
    question = send(admin, "/session", shorter)
    assert question.status_code == 200
    assert "The session ends now, for 1 person" in text_of(question)
    assert "Save and end 1 session" in text_of(question)
    assert account(site).session_policy == SessionPolicy()
    fields = hidden(question.text)
    assert admin.http.post(f"{PAGE}/session", data=fields).status_code == 303
    assert account(site).session_policy.absolute_lifetime == 86400
    assert "Saved 1 change." in text_of(admin.http.get(PAGE))


def test_an_old_form_keeps_what_was_typed(site: Site, admin: Person) -> None:
    for path, form, kept in (("/registration", {**REGISTRATION, "hosts": "kept.example"}, "kept.example"), ("/session", SESSION, 'value="90"')):
        answer = admin.http.post(f"{PAGE}{path}", data={"csrf_token": "old", **form})
        assert answer.status_code == 400
        assert "This page is out of date, nothing was changed." in text_of(answer)
        assert kept in answer.text


def test_a_plan_without_apps_explains_itself_and_refuses(site: Site, admin: Person) -> None:
    manage_policies.change_plan(site.app.services, site.account_id, "starter", origin=ORIGIN)
    page = admin.http.get(PAGE)
    assert "Your plan does not include app integrations." in text_of(page)
    assert 'name="hosts"' not in page.text
    app = App(site.base_url)
    answer = app.http.post("/oauth/register", json={"client_name": "Refused", "redirect_uris": ["https://refused.example/cb"]})
    assert answer.status_code == 403
    assert "plan does not include" in answer.text


def test_a_viewer_reads_and_the_old_address_leads_here(site: Site) -> None:
    viewer = signed_in(site, "viewer")
    page = viewer.http.get(PAGE)
    assert "An unused session ends after 7 days" in text_of(page)
    assert page.text.count("<form") == 1
    assert viewer.http.get("/settings/registration").headers["location"] == PAGE
    assert viewer.http.post(f"{PAGE}/session", data=SESSION).status_code == 403
