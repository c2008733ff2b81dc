from __future__ import annotations

import html
import re
from typing import Any
from uuid import UUID

import pytest

from application import decide_app, manage_members, manage_policies, manage_scopes
from tests.support.http_flow import App, Person, form_fields, hidden
from tests.web.pages.conftest import ORIGIN, Site, signed_in, text_of
from web.pages.formatting import long_date


@pytest.fixture(scope="module")
def analyst(site: Site) -> Person:
    return signed_in(site, "analyst")


def ask(
    site: Site, person: Person, redirect_uri: str = "http://localhost:3118/callback", name: str = "Claude Code", **parameters: str
) -> tuple[App, Any]:
    """An app's request, as far as the consent page."""
    app = App(site.base_url, name, redirect_uri=redirect_uri)
    app.register()
    return app, opened(person, app, **parameters)


def opened(person: Person, app: App, **parameters: str) -> Any:
    url, _ = app.authorize_url(**parameters)
    return person.http.get(person.http.get(url).headers["location"])


def boxes(page: str, name: str) -> dict[str, str]:
    """Value of each box -> on, off, or disabled."""
    fields = [field for field in form_fields(page) if field.get("name") == name]
    return {field["value"]: "disabled" if "disabled" in field else "on" if "checked" in field else "off" for field in fields}


def test_the_defaults_of_an_unverified_app_hold_back_what_changes_things(site: Site) -> None:
    operator = signed_in(site, "operator")
    _, page = ask(site, operator)
    assert boxes(page.text, "scope") == {
        "account:read": "on",
        "projects:query": "on",
        "catalog:read": "on",
        "projects:develop": "off",
        "jobs:run": "off",
    }
    assert boxes(page.text, "project_access") == {"all": "off", "selected": "on"}
    assert set(boxes(page.text, "project_id").values()) == {"off"}
    assert boxes(page.text, "keep_alive") == {"on": "on"}
    assert "On: ends after 7 days without use, and on" in page.text


def test_p12_the_page_names_the_app_what_it_asks_for_and_how_long(site: Site) -> None:
    said = text_of(ask(site, signed_in(site, "operator"))[1])
    for words in ("Claude Code", "Read the catalog", "On: ends after 7 days without use"):
        assert words in said


def test_p12_a_native_app_is_never_approved_without_the_person(site: Site, analyst: Person) -> None:
    app, page = ask(site, analyst, scope="account:read")
    form = {**hidden(page.text), "scope": ["account:read"], "project_access": "all", "decision": "approve"}
    assert analyst.http.post("/consent", data=form).status_code == 303
    again = opened(analyst, app, scope="account:read")
    assert again.status_code == 200
    assert 'name="decision"' in again.text


def test_a_permission_that_the_person_lacks_can_t_be_ticked_and_says_why(site: Site, analyst: Person) -> None:
    _, page = ask(site, analyst)
    assert boxes(page.text, "scope")["jobs:run"] == "disabled"
    assert "Your role, Analyst, does not include this." in page.text
    assert set(boxes(page.text, "project_id")) == {site.projects["Sales"], site.projects["Marketing"]}


def test_a_permission_that_an_admin_took_says_so(site: Site) -> None:
    services, member_id = site.app.services, UUID(site.people["member"])
    member = signed_in(site, "member")
    manage_members.forbid(services, site.account_id, member_id, "account.read", origin=ORIGIN)
    try:
        _, page = ask(site, member)
    finally:
        manage_members.permit(services, site.account_id, member_id, "account.read", origin=ORIGIN)
    words = text_of(page)
    assert boxes(page.text, "scope")["account:read"] == "disabled"
    assert f"An admin took the permission account.read from you on {long_date(services.clock())}; an admin can give it back." in words
    assert "Your role, Member, does not include this." in words


def test_an_app_that_can_not_refresh_says_when_it_ends(site: Site, analyst: Person) -> None:
    app = App(site.base_url, "Once", redirect_uri="https://once.example/cb")
    app.register(grant_types=["authorization_code"])
    page = opened(analyst, app)
    assert boxes(page.text, "keep_alive") == {}
    assert "Ends after 10 minutes, then it must ask you again." in text_of(page)


def test_offline_access_has_no_box(site: Site, analyst: Person) -> None:
    _, page = ask(site, analyst, scope="projects:query offline_access")
    assert boxes(page.text, "scope") == {"projects:query": "on"}


def test_enter_alone_decides_nothing_and_keeps_the_choices(site: Site, analyst: Person) -> None:
    app, page = ask(site, analyst)
    form = {**hidden(page.text), "scope": ["catalog:read"], "project_access": "selected", "project_id": [site.projects["Sales"]]}
    answer = analyst.http.post("/consent", data=form)
    assert answer.status_code == 400
    assert "Choose Allow or Deny." in answer.text
    assert [code for code, state in boxes(answer.text, "scope").items() if state == "on"] == ["catalog:read"]
    assert boxes(answer.text, "project_id")[site.projects["Sales"]] == "on"
    assert boxes(answer.text, "keep_alive") == {"on": "off"}
    again = analyst.http.post(
        "/consent", data={**hidden(answer.text), **{k: form[k] for k in ("scope", "project_access", "project_id")}, "decision": "approve"}
    )
    assert again.status_code == 303
    assert again.headers["location"].startswith(app.redirect_uri)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"scope": []}, "Choose at least one permission, or deny."),
        ({"scope": ["jobs:run"]}, "Choose at least one permission, or deny."),
        ({"scope": ["projects:query"], "project_access": "selected"}, "Choose at least one project."),
        ({"scope": ["projects:query"]}, "Choose at least one project."),
        ({"scope": ["projects:query"], "project_access": "selected", "project_id": ["prj_of_others"]}, "Choose at least one project."),
    ],
)
def test_what_is_missing_is_said_at_the_group_and_in_a_summary(site: Site, analyst: Person, choices: dict[str, Any], words: str) -> None:
    _, page = ask(site, analyst)
    answer = analyst.http.post("/consent", data={**hidden(page.text), **choices, "decision": "approve"})
    assert answer.status_code == 400
    assert text_of(answer).count(words) == 2
    assert 'role="alert" tabindex="-1" autofocus' in answer.text


def test_a_scope_without_projects_needs_none_chosen(site: Site, analyst: Person) -> None:
    _, page = ask(site, analyst)
    answer = analyst.http.post("/consent", data={**hidden(page.text), "scope": ["account:read"], "project_access": "selected", "decision": "approve"})
    assert answer.status_code == 303


def test_the_form_can_only_take_away_from_the_request(site: Site) -> None:
    operator = signed_in(site, "operator")
    app, page = ask(site, operator, scope="projects:query")
    form = {**hidden(page.text), "scope": ["projects:query", "jobs:run", "account:manage"], "project_access": "all", "decision": "approve"}
    code = re.search(r"code=([^&]+)", operator.http.post("/consent", data=form).headers["location"])
    assert code
    app2, _ = app, None
    assert app2.client_id


def test_denying_tells_the_app_and_shares_nothing(site: Site, analyst: Person) -> None:
    app, page = ask(site, analyst)
    answer = analyst.http.post("/consent", data={**hidden(page.text), "decision": "deny"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{app.redirect_uri}?")
    assert "error=access_denied" in answer.headers["location"]
    assert "code=" not in answer.headers["location"]


def test_a_request_is_decided_once(site: Site, analyst: Person) -> None:
    _, page = ask(site, analyst)
    form = {**hidden(page.text), "scope": ["account:read"], "project_access": "all", "decision": "approve"}
    assert analyst.http.post("/consent", data=form).status_code == 303
    again = analyst.http.post("/consent", data=form)
    assert again.status_code == 400
    assert "This request has ended" in again.text
    assert "This request has ended" in analyst.http.get("/consent", params={"request": form["request"]}).text


def test_p12_the_form_is_bound_to_its_request(site: Site, analyst: Person) -> None:
    _, first = ask(site, analyst, name="First")
    _, second = ask(site, analyst, name="Second")
    mixed = {
        **hidden(second.text),
        "csrf_token": hidden(first.text)["csrf_token"],
        "scope": ["account:read"],
        "project_access": "all",
        "decision": "approve",
    }
    answer = analyst.http.post("/consent", data=mixed)
    assert answer.status_code == 400
    assert "This page is out of date, nothing was changed." in answer.text
    general = hidden(analyst.http.get("/connected-apps").text)["csrf_token"]
    assert analyst.http.post("/consent", data={**mixed, "csrf_token": general}).status_code == 400


@pytest.mark.parametrize(
    ("redirect_uri", "source"),
    [
        ("http://localhost:3118/callback", "http://localhost:3118"),
        ("https://cb.example.com/done", "https://cb.example.com"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor:"),
    ],
)
def test_the_policy_lets_the_form_end_at_this_app_only(site: Site, analyst: Person, redirect_uri: str, source: str) -> None:
    _, page = ask(site, analyst, redirect_uri)
    assert f"form-action 'self' {source};" in page.headers["content-security-policy"]


def test_p12_where_it_leads_is_said_and_warned_about(site: Site, analyst: Person) -> None:
    assert "We have not checked who runs this. It will send you to cb.example.com." in text_of(ask(site, analyst, "https://cb.example.com/done")[1])
    assert "Runs on your computer." in text_of(ask(site, analyst)[1])
    cursor = ask(site, analyst, "cursor://anysphere.cursor-mcp/oauth/callback", name="Cursor")[1]
    assert "the <bdi>Cursor</bdi> app on this computer (<code>cursor://</code>)" in cursor.text
    assert "Runs on your computer." in cursor.text


def test_asking_again_for_more_says_what_is_new(site: Site, analyst: Person) -> None:
    app, page = ask(site, analyst, scope="projects:query")
    form = {
        **hidden(page.text),
        "scope": ["projects:query"],
        "project_access": "selected",
        "project_id": [site.projects["Marketing"]],
        "decision": "approve",
    }
    assert analyst.http.post("/consent", data=form).status_code == 303
    again = opened(analyst, app, scope="projects:query catalog:read")
    assert "You allowed it before, on" in text_of(again)
    assert text_of(again).count("Read the catalog") == 2, "at the top, and where it is ticked"
    assert "It asks for more than you allowed before: Read the catalog." in text_of(again)
    assert "not ticked" not in text_of(again), "what only reads is ticked"
    assert boxes(again.text, "project_id") == {site.projects["Sales"]: "off", site.projects["Marketing"]: "on"}
    assert boxes(again.text, "keep_alive") == {"on": "off"}


def test_asking_again_for_what_changes_things_says_at_the_top_that_it_is_not_ticked(site: Site) -> None:
    operator = signed_in(site, "operator")
    app, page = ask(site, operator, scope="projects:query", name="Stepper")
    assert "more than you allowed before" not in text_of(page), "a first consent adds nothing"
    first = {**hidden(page.text), "scope": ["projects:query"], "project_access": "all", "decision": "approve"}
    assert operator.http.post("/consent", data=first).status_code == 303
    again = opened(operator, app, scope="projects:query projects:develop jobs:run")
    words = text_of(again)
    assert words.index("It asks for more than you allowed before: Change models, Run jobs.") < words.index("It asks to")
    assert "Change models, Run jobs are not ticked: it gets only what is." in words
    assert re.findall(r'class="pick new"><input type="checkbox" name="scope" value="([^"]*)"', again.text) == ["projects:develop", "jobs:run"]
    assert boxes(again.text, "scope") == {"projects:query": "on", "projects:develop": "off", "jobs:run": "off"}


def test_nobody_agrees_to_words_that_were_changed_meanwhile(site: Site, analyst: Person) -> None:
    _, page = ask(site, analyst, scope="projects:query", name="Reworded")
    form = {**hidden(page.text), "scope": ["projects:query"], "project_access": "all", "decision": "approve"}
    manage_scopes.change_scope(site.app.services, site.account_id, "projects:query", title="Query metrics and more", origin=ORIGIN)
    try:
        answer = analyst.http.post("/consent", data=form)
        assert answer.status_code == 400
        assert "What this page says has changed since you opened it" in text_of(answer)
        assert "Query metrics and more" in text_of(answer)
        assert boxes(answer.text, "scope") == {"projects:query": "on"}
        assert analyst.http.post("/consent", data={**form, "shown": ""}).status_code == 400
        assert analyst.http.post("/consent", data={**form, **hidden(answer.text)}).status_code == 303
    finally:
        manage_scopes.change_scope(site.app.services, site.account_id, "projects:query", title="Query metrics", origin=ORIGIN)


def test_a_verified_app_gets_no_warning_and_its_scopes_ticked(site: Site) -> None:
    operator = signed_in(site, "operator")
    app, _ = ask(site, operator, "https://verified.example.com/cb", name="Verified")
    decide_app.verify(site.app.services, site.account_id, app.client_id, actor_id=site.people["admin"], origin=ORIGIN)
    page = opened(operator, app)
    assert "Verified app" in page.text
    assert "We have not checked" not in page.text
    assert set(boxes(page.text, "scope").values()) == {"on"}


def test_a_blocked_app_gets_the_page_that_says_so(site: Site, analyst: Person) -> None:
    app, waiting = ask(site, analyst, "https://blocked.example.com/cb", name="Invoice Helper")
    decide_app.block(site.app.services, site.account_id, app.client_id, actor_id=site.people["admin"], origin=ORIGIN, reason="Unknown publisher")
    for page in (
        analyst.http.get("/consent", params={"request": hidden(waiting.text)["request"]}),
        analyst.http.post("/consent", data={**hidden(waiting.text), "scope": ["account:read"], "project_access": "all", "decision": "approve"}),
    ):
        assert page.status_code == 403
        assert "Invoice Helper is blocked in Jaffle Analytics" in text_of(page)
    url, _ = app.authorize_url()
    stranger = Person(site.base_url, "", "")
    page = stranger.http.get(url)
    assert page.status_code == 403
    assert "Unknown publisher" not in page.text
    assert "Priya Raman" not in page.text


def test_an_app_that_waits_for_approval_is_shown_without_buttons(site: Site, analyst: Person) -> None:
    manage_policies.change_policy(site.app.services, site.account_id, {"registration": "approval"}, origin=ORIGIN)
    try:
        app, page = ask(site, analyst, "https://waits.example.com/cb", name="Waits")
    finally:
        manage_policies.change_policy(site.app.services, site.account_id, {"registration": "open"}, origin=ORIGIN)
    assert "An admin of Jaffle Analytics must approve Waits before you can allow it." in text_of(page)
    assert 'value="approve"' not in page.text
    answer = analyst.http.post("/consent", data={**hidden(page.text), "scope": ["account:read"], "project_access": "all", "decision": "approve"})
    assert answer.status_code == 403
    decide_app.approve(site.app.services, site.account_id, app.client_id, actor_id=site.people["admin"], origin=ORIGIN)
    assert "by an admin" in text_of(opened(analyst, app))


def test_an_unregistered_redirect_url_shows_both_and_what_differs(site: Site, analyst: Person) -> None:
    app, _ = ask(site, analyst, "https://cb.example.com/done", name="Moved")
    url, _ = app.authorize_url(redirect_uri="https://cb.example.org/done")
    page = analyst.http.get(url)
    assert page.status_code == 400
    assert 'https://cb.example.<mark class="differs">org</mark>/done' in page.text
    assert 'https://cb.example.<mark class="differs">com</mark>/done' in page.text


@pytest.mark.parametrize("sent", ["<script>alert(1)</script>", "https://x.example/\u202e", "javascript:alert(1)", "x" * 3000])
def test_a_presented_redirect_url_is_text_whatever_it_holds(site: Site, analyst: Person, sent: str) -> None:
    app, _ = ask(site, analyst, "https://cb.example.com/done", name="Moved")
    url, _ = app.authorize_url(redirect_uri=sent)
    page = analyst.http.get(url)
    assert page.status_code == 400
    assert "<script>alert" not in page.text
    assert "\u202e" not in page.text
    assert f'href="{html.escape(sent)}"' not in page.text


@pytest.mark.parametrize("request_id", ["", "unknown", "x" * 500, "../etc"])
def test_a_request_that_is_not_there_has_ended(site: Site, analyst: Person, request_id: str) -> None:
    page = analyst.http.get("/consent", params={"request": request_id})
    assert page.status_code == 400
    assert "This request has ended" in page.text
