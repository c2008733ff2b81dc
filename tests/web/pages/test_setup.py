from __future__ import annotations

from typing import Any

import pytest
from httpx import Response
from playwright.sync_api import Page

from application import manage_resources
from application.open_account import make_setup_link
from tests.support.browser import chromium
from tests.support.http_flow import Person, form_fields, hidden
from tests.web.pages.conftest import ORIGIN, PASSWORD, Site, in_form_cookie, post, settled, text_of

ACCOUNT = {"account_name": "Jaffle Analytics", "account": ""}
ADMIN = {"name": "Priya Raman", "email": "admin@jaffle.example", "password": PASSWORD}


def stranger_at(site: Site) -> Person:
    return Person(site.base_url, "", "")


def sent(person: Person, page: Response, path: str, **fields: Any) -> Response:
    return person.http.post(path, data={**hidden(page.text), **fields})


def value_of(page: Response, name: str) -> str:
    return next(field.get("value", "") for field in form_fields(page.text) if field.get("name") == name)


def opened(site: Site) -> Person:
    """Steps 1 and 2 done; the admin stands at step 3."""
    person, token = stranger_at(site), make_setup_link(site.app.services)
    first = sent(person, person.http.get("/setup", params={"token": token}), "/setup", **ACCOUNT)
    assert (first.status_code, first.headers["location"]) == (303, f"/setup/admin?token={token}")
    done = sent(person, person.http.get(first.headers["location"]), "/setup/admin", **ADMIN)
    assert (done.status_code, done.headers["location"]) == (303, "/setup/resource"), done.text
    return person


def test_the_link_leads_through_four_steps_to_what_to_do_next(bare_site: Site) -> None:
    person = opened(bare_site)
    third = person.http.get("/setup/resource")
    assert "Jaffle Analytics is open." in text_of(third)
    registered = post(person, "/setup/resource", identifier="https://api.jaffle.example/v1", scope=["projects:query", "jobs:run"])
    assert registered.status_code == 200
    fourth = registered
    shown = {field["id"]: field["value"] for field in form_fields(fourth.text) if field.get("id") in ("rid", "rsecret", "mcp")}
    resource_id, secret = shown["rid"], shown["rsecret"]
    assert shown["mcp"] == bare_site.app.services.mcp_url
    settled(bare_site)
    assert f'<span class="row">{ADMIN["name"]}</span>' in person.http.get("/setup/resource").text
    asked = person.http.post("/oauth/introspect", data={"token": "x"}, auth=(resource_id, secret))
    assert asked.json() == {"active": False}
    assert secret not in in_form_cookie(person)
    assert secret not in person.http.get("/setup/app").text
    added = post(person, "/setup/app", name="Notebook", redirect_uris="https://notebook.example/cb", scope=["account:read"])
    assert added.status_code == 303, added.text
    last = person.http.get(added.headers["location"])
    assert "Added Notebook." in text_of(last)
    log = text_of(person.http.get("/settings/audit"))
    assert "Added Priya Raman as Account Admin The set-up link" in log
    assert "Opened Jaffle Analytics The set-up link" in log
    assert added.headers["location"].partition("app=")[2] in last.text
    assert "Nothing answers at this URL until your MCP server stands behind it" in text_of(fourth)
    assert "First put your MCP server behind this URL" in text_of(last)
    services = bare_site.app.services
    ((account_id, _, _),) = services.store.tables().accounts()
    manage_resources.change(services, account_id, services.mcp_url, upstream="http://127.0.0.1:9/mcp", origin=ORIGIN)
    for path in ("/setup/app", "/settings/start"):
        assert "stands behind it" not in text_of(person.http.get(path))
        assert "First put" not in text_of(person.http.get(path))
    assert ["Done" in step for step in last.text.split("<li class=")[1:6]] == [True, False, True, False, False]


def test_a_used_link_leads_its_admin_on_and_nobody_else(bare_site: Site) -> None:
    person, token = stranger_at(bare_site), make_setup_link(bare_site.app.services)
    page = person.http.get("/setup", params={"token": token})
    sent(person, page, "/setup", **ACCOUNT)
    assert sent(person, page, "/setup/admin", **ADMIN).status_code == 303
    for path in ("/setup", "/setup/admin"):
        assert person.http.get(path, params={"token": token}).headers["location"] == "/setup/resource"
        assert stranger_at(bare_site).http.get(path, params={"token": token}).status_code == 404
        assert sent(stranger_at(bare_site), page, path, **ACCOUNT, **ADMIN).status_code == 404
    assert Person(bare_site.base_url, ADMIN["email"], PASSWORD).sign_in().status_code == 303


def test_going_back_loses_nothing_but_the_password(empty_site: Site) -> None:
    person, token = stranger_at(empty_site), make_setup_link(empty_site.app.services)
    first = sent(person, person.http.get("/setup", params={"token": token}), "/setup", **ACCOUNT)
    second = person.http.get(first.headers["location"])
    assert "jaffle-analytics" in second.text
    back = sent(person, second, "/setup/admin", **ADMIN, go="back")
    assert back.headers["location"] == f"/setup?token={token}"
    again = person.http.get(back.headers["location"])
    assert (value_of(again, "account_name"), value_of(again, "account")) == ("Jaffle Analytics", "jaffle-analytics")
    forth = person.http.get(sent(person, again, "/setup", account_name="Jaffle", account="jaffle").headers["location"])
    assert (value_of(forth, "name"), value_of(forth, "email"), value_of(forth, "password")) == (ADMIN["name"], ADMIN["email"], "")
    assert PASSWORD not in str(dict(person.http.cookies))


def test_errors_stand_at_their_field_and_keep_what_was_typed(empty_site: Site) -> None:
    person, token = stranger_at(empty_site), make_setup_link(empty_site.app.services)
    page = person.http.get("/setup", params={"token": token})
    for fields, words in (
        ({"account_name": "", "account": ""}, "Give the account a name."),
        ({"account_name": "Jaffle", "account": "x y"}, "short name"),
        ({"account_name": "日本", "account": ""}, "short name"),
        ({**ACCOUNT, "csrf_token": "x"}, "out of date"),
    ):
        wrong = sent(person, page, "/setup", **fields)
        assert wrong.status_code == 400
        assert words in text_of(wrong)
        assert value_of(wrong, "account_name") == fields["account_name"]
    sent(person, page, "/setup", **ACCOUNT)
    for name, wrong_value, words in (
        ("password", "short", "at least 12 characters"), ("email", "", "Tell us your email."), ("email", "nobody", "email"),
        ("name", "", "Tell us your name."), ("csrf_token", "x", "out of date"),
    ):  # fmt: skip
        wrong = sent(person, page, "/setup/admin", **{**ADMIN, name: wrong_value})
        assert wrong.status_code == 400, name
        assert words in text_of(wrong), name
        assert "jaffle-analytics" in wrong.text
    assert empty_site.app.services.store.tables().accounts() == []


@pytest.mark.parametrize("path", ["oauth-authorization-server", "jwks.json", "oauth-protected-resource", "oauth-protected-resource/api/ai/v1/mcp"])
@pytest.mark.parametrize("also", ["", "?x"])
def test_discovery_says_that_nothing_is_set_up_and_how_it_is(empty_site: Site, path: str, also: str) -> None:
    person = stranger_at(empty_site)
    answer = person.http.get(f"/.well-known/{path}{also}")
    assert (answer.status_code, answer.headers["cache-control"], answer.headers["access-control-allow-origin"]) == (503, "no-store", "*")
    told = answer.json()
    assert told["error"] == "temporarily_unavailable"
    assert "Nothing is set up here yet" in told["error_description"]
    assert "grantbook init" in told["error_description"]
    assert person.http.get("/.well-known/openid-configuration").status_code == 404


def test_without_a_good_link_nothing_opens(empty_site: Site) -> None:
    person = stranger_at(empty_site)
    assert "Nothing is set up here yet." in person.http.get("/sign-in").text
    assert 'class="btn"' not in person.http.get("/sign-in").text  # every way leads to the same page
    page = person.http.get("/setup", params={"token": make_setup_link(empty_site.app.services)})
    for path in ("/setup", "/setup/admin"):
        assert person.http.get(path).status_code == 404
        assert person.http.get(path, params={"token": "guess"}).status_code == 404
        assert sent(person, page, path, **ACCOUNT, **ADMIN, token="guess").status_code == 404
    token = hidden(page.text)["token"]
    assert person.http.get("/setup/admin", params={"token": token}).headers["location"] == f"/setup?token={token}"
    assert person.http.get("/setup/resource").headers["location"].startswith("/sign-in")


def test_an_mcp_server_is_put_behind_the_gateways_own_address(bare_site: Site) -> None:
    person, services = opened(bare_site), bare_site.app.services
    done = post(person, "/setup/resource", identifier=services.mcp_url, upstream="http://127.0.0.1:9/mcp", scope="jobs:run")
    assert (done.status_code, done.headers["location"]) == (303, "/setup/app")
    fourth = text_of(person.http.get("/setup/app"))
    assert "The gateway forwards to it now. Event" in fourth
    assert "This secret is shown once." not in fourth
    again = post(person, "/setup/resource", identifier=services.mcp_url, scope="jobs:run")
    assert again.status_code == 400
    assert "is registered already" in text_of(again)


def test_wrong_resources_and_apps_are_told_at_their_field(bare_site: Site) -> None:
    person = opened(bare_site)
    for fields, words in (
        ({"identifier": "api", "scope": "jobs:run"}, "absolute http or https URL"),
        ({"identifier": "https://api.example", "upstream": "x", "scope": "jobs:run"}, "An upstream is an absolute"),
        ({"identifier": "https://api.example"}, "needs scopes"),
    ):
        wrong = post(person, "/setup/resource", **fields)
        assert wrong.status_code == 400
        assert words in text_of(wrong)
        assert value_of(wrong, "identifier") == fields["identifier"]
    for fields, words in (
        ({"name": "", "redirect_uris": "https://a.example/cb", "scope": "jobs:run"}, "needs a name"),
        ({"name": "A", "redirect_uris": "javascript:alert(1)", "scope": "jobs:run"}, "javascript"),
        ({"name": "A", "redirect_uris": "https://a.example/cb"}, "Choose scopes"),
    ):
        wrong = post(person, "/setup/app", **fields)
        assert wrong.status_code == 400
        assert words in text_of(wrong)
        assert value_of(wrong, "name") == fields["name"]


@pytest.mark.browser
def test_a_newcomer_gets_through_it_in_a_browser_without_the_mouse(bare_site: Site) -> None:
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 390, "height": 800}, java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{bare_site.base_url}/setup?token={make_setup_link(bare_site.app.services)}")
        assert page.locator("[aria-current=step]").inner_text().endswith("Account")
        typed(page, account_name="Jaffle Analytics")
        typed(page, **ADMIN)
        page.get_by_role("link", name="Skip", exact=True).press("Enter")
        assert page.locator("#mcp").input_value() == bare_site.app.services.mcp_url
        page.get_by_role("link", name="Finish").press("Enter")
        page.wait_for_url("**/settings/start")
        assert page.locator("h1").inner_text() == "First steps"
        context.close()


def typed(page: Page, **fields: str) -> None:
    for name, words in fields.items():
        page.fill(f"#{name}", words)
    with page.expect_navigation():
        page.keyboard.press("Enter")
