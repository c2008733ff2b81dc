from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from application import manage_resources, manage_scopes
from domain.account import Account
from tests.support.http_flow import Person, hidden
from tests.web.pages.conftest import ORIGIN, Site, connected, post, settled, signed_in, text_of

PAGE = "/settings/scopes"
WORDS = {"title": "See reports", "description": "Reports and their numbers", "permission": "metrics.query", "dynamic": "on"}


@pytest.fixture(scope="module")
def admin(site: Site) -> Person:
    return signed_in(site, "admin")


def account(site: Site) -> Account:
    found = site.app.services.store.load(Account, UUID(site.account_id))
    assert found is not None
    return found


def publish(site: Site, code: str, *, served: bool = False) -> None:
    services, account_id = site.app.services, site.account_id
    manage_scopes.add(
        services,
        account_id,
        code=code,
        permission="metrics.query",
        title=f"See {code}",
        description="Numbers",
        acts=False,
        dynamic=True,
        origin=ORIGIN,
    )
    if served:
        scopes = [*account(site).resource(services.mcp_url).scopes, code]
        manage_resources.change(services, account_id, services.mcp_url, scopes=scopes, origin=ORIGIN)


def unserve(site: Site, code: str) -> None:
    services = site.app.services
    scopes = [scope for scope in account(site).resource(services.mcp_url).scopes if scope != code]
    manage_resources.change(services, site.account_id, services.mcp_url, scopes=scopes, origin=ORIGIN)


def test_a_scope_is_added_and_the_page_tells_who_published_what(site: Site, admin: Person) -> None:
    answer = post(admin, f"{PAGE}/new", code="reports:read", **WORDS)
    assert answer.status_code == 303
    assert "Added reports:read." in text_of(admin.http.get(PAGE))
    scope = account(site).scopes["reports:read"]
    assert (scope.title, scope.permission, scope.per_project, scope.acts, scope.dynamic) == ("See reports", "metrics.query", True, False, True)
    settled(site)
    words = text_of(admin.http.get(PAGE))
    assert "Priya Raman published" in words
    assert "added reports:read" in words


def test_its_words_are_read_on_the_consent_page_and_its_sessions_are_counted(site: Site, admin: Person) -> None:
    publish(site, "counted:read", served=True)
    post(admin, f"{PAGE}/counted:read", **{**WORDS, "title": "Look at counted things"})
    operator = signed_in(site, "operator")
    app, _ = connected(site, operator, "Counting", "https://counting.example/cb")
    url, _ = app.authorize_url()
    consent = operator.http.get(operator.http.get(url).headers["location"])
    assert "Look at counted things" in text_of(consent)
    settled(site)
    assert "Look at counted things Numbers" not in text_of(admin.http.get(PAGE))
    assert "Look at counted things Reports and their numbers counted:read metrics.query in the project may ask 1 resource 1" in text_of(
        admin.http.get(PAGE)
    )
    unserve(site, "counted:read")


def test_another_permission_asks_first_and_takes_it_from_sessions(site: Site, admin: Person) -> None:
    publish(site, "moved:read", served=True)
    operator = signed_in(site, "operator")
    app, tokens = connected(site, operator, "Moving", "https://moving.example/cb")
    assert "moved:read" in tokens["scope"].split()
    settled(site)
    question = post(admin, f"{PAGE}/moved:read", **{**WORDS, "permission": "jobs.run"})
    assert question.status_code == 200
    assert "Let moved:read need jobs.run?" in text_of(question)
    assert "Save and take it from 1 session" in text_of(question)
    assert account(site).scopes["moved:read"].permission == "metrics.query"
    assert admin.http.post(f"{PAGE}/moved:read", data=hidden(question.text)).status_code == 303
    assert account(site).scopes["moved:read"].permission == "jobs.run"
    assert "moved:read" not in app.refresh(tokens["refresh_token"]).json()["scope"].split()
    unserve(site, "moved:read")


def test_removing_says_what_stands_against_it(site: Site, admin: Person) -> None:
    publish(site, "gone:read", served=True)
    assert "Take it from" in text_of(admin.http.get(f"{PAGE}/gone:read/remove"))
    assert post(admin, f"{PAGE}/gone:read/remove").status_code == 303
    assert "gone:read can't be removed while the resource" in text_of(admin.http.get(PAGE))
    unserve(site, "gone:read")
    assert post(admin, f"{PAGE}/gone:read/remove").status_code == 303
    assert "Removed gone:read." in text_of(admin.http.get(PAGE))
    assert "gone:read" not in account(site).scopes
    assert admin.http.get(f"{PAGE}/gone:read").status_code == 404


def test_what_the_server_itself_needs_keeps_its_permission_and_stays(site: Site, admin: Person) -> None:
    page = admin.http.get(f"{PAGE}/account:read")
    assert "This server itself asks for this scope" in text_of(page)
    assert 'name="permission" disabled' in page.text
    answer = post(admin, f"{PAGE}/account:read", **WORDS)
    assert answer.status_code == 400
    assert "account:read needs account.read in every catalogue" in text_of(answer)
    assert post(admin, f"{PAGE}/offline_access/remove").status_code == 303
    assert "offline_access stays in every catalogue" in text_of(admin.http.get(PAGE))
    assert {"account:read", "offline_access"} <= set(account(site).scopes)
    plain = {"title": account(site).scopes["offline_access"].title, "description": "Stay connected with refresh tokens", "dynamic": "on"}
    assert post(admin, f"{PAGE}/offline_access", **plain).status_code == 303


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"code": "Reports Read"}, "code", "A scope's code has 1 to 60"),
    ({"code": ""}, "code", "A scope's code has 1 to 60"),
    ({"code": "jobs:run"}, "code", "There is a scope jobs:run already."),
    ({"title": ""}, "title", "A scope's title has 1 to 60"),
    ({"title": "x" * 61}, "title", "A scope's title has 1 to 60"),
    ({"description": ""}, "description", "A scope's description has 1 to 200"),
    ({"permission": ""}, "permission", "A scope needs one of the permissions"),
    ({"permission": "reports.read"}, "permission", "A scope needs one of the permissions"),
]


@pytest.mark.parametrize(("typed", "field", "words"), WRONG)
def test_what_can_not_be_is_said_at_its_field_and_the_rest_is_kept(site: Site, admin: Person, typed: dict[str, Any], field: str, words: str) -> None:
    answer = post(admin, f"{PAGE}/new", **{"code": "wrong:read", **WORDS, "description": "Kept as it was typed", **typed})
    assert answer.status_code == 400
    assert words in text_of(answer)
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}-error"' in answer.text
    assert "Kept as it was typed" in answer.text or "description" in typed
    assert "wrong:read" not in account(site).scopes


def test_an_old_form_keeps_what_was_typed(admin: Person) -> None:
    answer = admin.http.post(f"{PAGE}/new", data={"csrf_token": "old", "code": "kept:read", **WORDS})
    assert answer.status_code == 400
    assert "This page is out of date, nothing was changed." in text_of(answer)
    assert 'value="kept:read"' in answer.text


def test_a_viewer_reads_without_buttons(site: Site) -> None:
    viewer = signed_in(site, "viewer")
    page = viewer.http.get(PAGE)
    assert "Change models changes things" in text_of(page)
    assert page.text.count("<form") == 1
    assert f"{PAGE}/jobs:run" not in page.text
    assert viewer.http.get(f"{PAGE}/jobs:run").status_code == 403
