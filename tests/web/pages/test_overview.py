from __future__ import annotations

import pytest

from application import manage_policies, manage_resources, record_action
from application.services import Origin
from infrastructure.database import connect
from infrastructure.ledger.sealing import REFUSED
from projections import view
from projections.sessions.queries import list_sessions
from tests.support.http_flow import App, Person, hidden
from tests.web.pages.conftest import ORIGIN, Site, connected, post, settled, signed_in, text_of


@pytest.fixture(scope="module")
def admin(site: Site) -> Person:
    return signed_in(site, "admin")


@pytest.fixture(scope="module")
def operator(site: Site) -> Person:
    return signed_in(site, "operator")


def overview(site: Site, who: Person) -> str:
    settled(site)
    return text_of(who.http.get("/settings"))


def waiting(site: Site, name: str) -> App:
    """An app that registered while approval was required."""
    manage_policies.change_policy(site.app.services, site.account_id, {"registration": "approval"}, origin=ORIGIN)
    try:
        app = App(site.base_url, name, redirect_uri=f"https://{name.lower()}.example/cb", scope="projects:query jobs:run")
        app.register()
        settled(site)
        return app
    finally:
        manage_policies.change_policy(site.app.services, site.account_id, {"registration": "open"}, origin=ORIGIN)


def ask(person: Person, app: App, **fields: str) -> str:
    """Ask an admin on the app's consent page; the words of the page after it."""
    page = person.http.get(app.authorize_url()[0], follow_redirects=True)
    assert "Ask an admin" in page.text, page.text
    answer = person.http.post("/consent", data={**hidden(page.text), "decision": "ask", **fields})
    assert answer.status_code == 303
    return text_of(person.http.get(answer.headers["location"]))


def test_a_new_account_needs_nothing_and_is_told_how_to_begin(fresh_site: Site) -> None:
    admin = signed_in(fresh_site, "admin")
    assert admin.http.get("/sign-in").headers.get("location", "/settings") in ("/settings", "/connected-apps")
    words = overview(fresh_site, admin)
    assert "Nothing needs your attention." in words
    assert "No app has connected yet" in words
    services, silent = fresh_site.app.services, "Nothing answers here until an MCP server stands behind it"
    shown = ("/settings", "/settings/sessions", "/settings/access-urls", "/settings/integrations", "/connected-apps")
    for path in shown:
        assert services.mcp_url in (page := admin.http.get(path).text), path
        assert silent in page, path
    behind = manage_resources.change(services, fresh_site.account_id, services.mcp_url, upstream="http://127.0.0.1:9/mcp", origin=ORIGIN)
    assert behind is not None
    assert [path for path in shown if silent in admin.http.get(path).text] == []


def test_the_charts_say_in_words_and_in_a_table_what_they_show(fresh_site: Site) -> None:
    site, admin, operator = fresh_site, signed_in(fresh_site, "admin"), signed_in(fresh_site, "operator")
    app, tokens = connected(site, operator, "Charted")
    app.refresh(tokens["refresh_token"])
    settled(site)
    page = admin.http.get("/settings").text
    assert 'role="img" aria-label="Registrations per day, last 30 days: 1 in all, most on ' in page
    assert 'aria-label="Refreshes per day, last 30 days: 1 in all' in page
    assert 'aria-label="Actions per day, last 30 days: none"' in page
    assert page.count('class="b past"') == 2
    assert "style=" not in page
    assert page.count('data-label="Refreshes"') == 30
    assert "No app has connected yet" not in page


def test_a_person_asks_for_an_app_that_waits_and_admins_see_who_and_why(site: Site, admin: Person, operator: Person) -> None:
    app = waiting(site, "Wanted")
    words = ask(operator, app, reason="The weekly\nnumbers")
    assert "The admins were asked. Event" in words
    assert "You asked for it" in words
    assert "Ask an admin" not in words
    settled(site)
    for path in ("/settings", f"/settings/integrations/{app.client_id}"):
        words = text_of(admin.http.get(path))
        assert "Otto Olsen" in words
        assert "The weekly numbers" in words
        assert "projects:query" in words
    assert "Wanted waits for approval. Asked for by Otto Olsen, for projects:query and jobs:run. “The weekly numbers”" in overview(site, admin)
    listed = text_of(admin.http.get("/settings/integrations"))
    assert "Wanted , asked for by Otto Olsen" in listed
    assert "Asked for by Otto Olsen" in listed
    audit = text_of(admin.http.get("/settings/audit?type=oauth_client.approval_requested"))
    assert "Asked the admins to approve it, for projects:query and jobs:run" in audit
    post(admin, f"/settings/integrations/{app.client_id}/approve")
    assert app.session(operator)["access_token"]
    assert "Wanted waits" not in overview(site, admin)


def test_asking_twice_within_a_day_is_one_event(site: Site, admin: Person, operator: Person) -> None:
    app = waiting(site, "Twice")
    page = operator.http.get(app.authorize_url()[0], follow_redirects=True)
    form = {**hidden(page.text), "decision": "ask"}
    for _ in range(2):
        assert operator.http.post("/consent", data=form).status_code == 303
    settled(site)
    assert text_of(admin.http.get(f"/settings/audit?type=oauth_client.approval_requested&client={app.client_id}")).count("Asked the admins to") == 1


def test_enter_in_the_reason_asks_nobody_and_keeps_what_was_typed(site: Site, operator: Person) -> None:
    app = waiting(site, "Hasty")
    page = operator.http.get(app.authorize_url()[0], follow_redirects=True)
    answer = operator.http.post("/consent", data={**hidden(page.text), "reason": "Half a th"})
    assert answer.status_code == 400
    assert 'value="Half a th"' in answer.text
    assert "Press “Ask an admin”" in answer.text
    assert operator.http.post("/consent", data={**hidden(page.text), "decision": "approve", "scope": "projects:query"}).status_code in (400, 403)


def test_reuse_and_failed_sign_ins_are_named_with_their_links(site: Site, admin: Person, operator: Person) -> None:
    app, first = connected(site, operator, "Stolen", "https://stolen.example/cb")
    second = app.refresh(first["refresh_token"]).json()
    app.refresh(second["refresh_token"])
    app.refresh(first["refresh_token"])
    stranger = Person(site.base_url, site.email("member"), "wrong password")
    assert stranger.sign_in().status_code != 303
    words = overview(site, admin)
    assert "A spent refresh token came back once in 30 days. Last through Stolen" in words
    assert "1 sign-in failed in 7 days." in words
    page = admin.http.get("/settings").text
    assert 'href="/settings/sessions#ended"' in page
    assert 'href="/settings/audit?type=login.password.failed"' in page


def test_powerful_permissions_that_were_given_long_ago_and_never_used_are_named(fresh_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from web.pages import overview_attention

    site, admin, operator = fresh_site, signed_in(fresh_site, "admin"), signed_in(fresh_site, "operator")
    app, _ = connected(site, operator, "Idle", "https://idle.example/cb")
    assert "may use jobs:run" not in overview(site, admin)
    monkeypatch.setattr(overview_attention, "UNUSED_FOR", timedelta(seconds=-60))
    words = overview(site, admin)
    assert "Idle may use jobs:run for 1 person, and has not for 30 days. Never used." in words
    assert "Idle may use projects:query" not in words
    monkeypatch.setattr(overview_attention, "UNUSED_FOR", timedelta(0))
    with site.app.views() as conn:
        grant_id = list_sessions(conn, site.account_id)[0].grant_id
        client_stream = list_sessions(conn, site.account_id)[0].client_stream
    detail = text_of(admin.http.get(f"/settings/integrations/{app.client_id}"))
    assert "jobs:run Unused 1 0" in detail
    record_action.record(
        site.app.services, site.account_id, member_id=site.people["operator"], client_stream=client_stream, client_id=app.client_id,
        grant_id=grant_id, resource=site.app.services.mcp_url, operation="run_job", scope="jobs:run", projects=(), outcome="ok",
        origin=Origin("mcp"),
    )  # fmt: skip
    settled(site)
    assert "jobs:run 1 1" in text_of(admin.http.get(f"/settings/integrations/{app.client_id}"))


def test_a_stopped_view_is_named_with_the_event_it_stopped_at(fresh_site: Site) -> None:
    site, admin = fresh_site, signed_in(fresh_site, "admin")
    settled(site)
    with connect(site.app.dsn) as connection:
        position = view.standings(connection)["usage"].position
        view.stop(connection, "usage", position, "event 3 (x): KeyError: y")
    words = text_of(admin.http.get("/settings"))
    assert f"The view “usage” stopped at event {position}." in words
    assert "KeyError: y" in words
    assert "Views stopped at event" in words


def test_whoever_is_no_reader_is_told_who_can(site: Site) -> None:
    analyst, viewer = signed_in(site, "analyst"), signed_in(site, "viewer")
    answer = analyst.http.get("/settings")
    assert answer.status_code == 403
    assert "Only account admins" in answer.text
    assert viewer.http.get("/settings").status_code == 200


def test_a_ledger_that_must_not_be_signed_comes_first(fresh_site: Site) -> None:
    admin = signed_in(fresh_site, "admin")
    assert "The ledger is not signed" not in overview(fresh_site, admin)
    fresh_site.app.store.tables().set_meta(REFUSED, "It was set back.")
    words = overview(fresh_site, admin)
    assert words.index("The ledger is not signed any more") > words.index("Needs attention")
    assert any("It was set back." in warning for warning in fresh_site.app.status().warnings)
