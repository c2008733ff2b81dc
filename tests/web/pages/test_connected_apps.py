from __future__ import annotations

import re
from typing import Any

from application import decide_app, revoke_grant
from application.lookups import client_of
from projections.sessions.queries import list_sessions
from tests.support.http_flow import App as HttpApp
from tests.support.http_flow import Person, hidden
from tests.web.pages.conftest import ORIGIN, Site, connected, post, settled, signed_in, text_of


def consent_ids(page: str) -> list[str]:
    return re.findall(r'action="/connected-apps/([0-9a-f-]{36})/revoke"', page)


def test_without_apps_the_page_gives_the_url_to_connect_one(site: Site) -> None:
    member = signed_in(site, "member")
    page = member.http.get("/connected-apps")
    assert "No app can act for you." in page.text
    assert site.app.services.mcp_url in page.text


def test_a_card_says_what_an_app_may_do_where_and_until_when(site: Site) -> None:
    analyst = signed_in(site, "analyst")
    connected(site, analyst, "Claude Code", scopes=["account:read", "projects:query"], projects=[site.projects["Sales"]])
    settled(site)
    words = text_of(analyst.http.get("/connected-apps"))
    assert "See account details, query metrics, stay connected" in words
    assert "In Sales" in words
    assert "localhost, this computer" in words
    assert "after 7 days without use" in words
    assert "Sessions 1, with a Python program" in words


def test_an_app_that_never_fetched_its_tokens_was_never_used(site: Site) -> None:
    viewer, app = signed_in(site, "viewer"), HttpApp(site.base_url, "Forgetful")
    app.register()
    viewer.decide(app.authorize_url()[0], scopes=["account:read"])
    settled(site)
    card = text_of(viewer.http.get("/connected-apps")).partition("Forgetful")[2]
    assert "Last used never Sessions None, it must ask you again" in card


def test_identical_registrations_share_a_card_and_end_together(site: Site) -> None:
    operator = signed_in(site, "operator")
    one, first = connected(site, operator, "Doubled", "http://localhost:1/cb")
    two, second = connected(site, operator, "Doubled", "http://localhost:2/cb")
    settled(site)
    page = operator.http.get("/connected-apps")
    assert page.text.count("Revoke Doubled?") == 1
    answer = post(operator, f"/connected-apps/{consent_ids(page.text)[0]}/revoke")
    assert answer.headers["location"] == "/connected-apps"
    words = text_of(operator.http.get("/connected-apps"))
    assert "Revoked Doubled. 2 sessions ended. Event" in words
    assert "Doubled" in words.partition("No longer connected")[2]
    assert "You revoked it" in words
    for app, tokens in ((one, first), (two, second)):
        assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_all_are_revoked_after_a_question(fresh_site: Site) -> None:
    site = fresh_site
    operator = signed_in(site, "operator")
    apps = [connected(site, operator, name, f"https://{name.lower()}.example/cb") for name in ("Anna", "Bert")]
    settled(site)
    question = operator.http.get("/connected-apps/revoke-all")
    assert "Revoke all 2 apps?" in question.text
    operator.http.post("/connected-apps/revoke-all", data=hidden(question.text))
    for app, tokens in apps:
        assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert "Revoked 2 apps." in text_of(operator.http.get("/connected-apps"))


def test_nobody_ends_or_reads_what_another_allowed(site: Site) -> None:
    operator, analyst = signed_in(site, "operator"), signed_in(site, "analyst")
    app, tokens = connected(site, operator, "Mine", "https://mine.example/cb")
    settled(site)
    page = operator.http.get("/connected-apps").text
    mine = consent_ids(page)[0]
    token = hidden(analyst.http.get("/connected-apps").text)["csrf_token"]
    assert analyst.http.post(f"/connected-apps/{mine}/revoke", data={"csrf_token": token}).status_code == 404
    assert app.refresh(tokens["refresh_token"]).status_code == 200
    receipt = re.search(r'href="(/connected-apps/receipts/\d+)"', page)
    assert receipt
    assert analyst.http.get(receipt.group(1)).status_code == 404
    assert operator.http.get(receipt.group(1)).status_code == 200


def test_the_receipt_says_what_was_agreed_and_shows_it_as_recorded(site: Site) -> None:
    analyst = signed_in(site, "analyst")
    connected(site, analyst, "Receipted", "https://receipted.example/cb", scopes=["projects:query"], projects=[site.projects["Marketing"]])
    settled(site)
    link = re.search(r'Receipted.*?href="(/connected-apps/receipts/\d+)"', analyst.http.get("/connected-apps").text, re.DOTALL)
    assert link
    words = text_of(analyst.http.get(link.group(1)))
    assert "You allowed Receipted to act for you in Jaffle Analytics." in words
    assert "It may: query metrics." in words
    assert "In: Marketing." in words
    assert "You did not allow: see account details, read the catalog" in words
    assert '"topic": "consent.given"' in words
    for position in ("1", "0", str(2**63)):
        assert analyst.http.get(f"/connected-apps/receipts/{position}").status_code == 404


def test_an_app_that_an_admin_blocked_is_no_longer_connected_and_says_why(site: Site) -> None:
    member = signed_in(site, "operator")
    app, _ = connected(site, member, "Blocked One", "https://blockedone.example/cb")
    decide_app.block(site.app.services, site.account_id, app.client_id, actor_id=site.people["admin"], origin=ORIGIN, reason="Unknown publisher")
    settled(site)
    assert "Blocked One" in text_of(member.http.get("/connected-apps")).partition("No longer connected")[2]
    assert "Priya Raman blocked it: “Unknown publisher”" in text_of(member.http.get("/connected-apps"))


def test_revoking_what_is_not_there_is_a_page_that_says_so(site: Site) -> None:
    member: Person = signed_in(site, "member")
    for consent_id in ("x", "00000000-0000-0000-0000-000000000000", "%00"):
        assert member.http.get(f"/connected-apps/{consent_id}/revoke").status_code in (400, 404)


def test_a_permission_and_a_project_can_be_taken_back_and_never_be_added(site: Site) -> None:
    operator = signed_in(site, "operator")
    app, tokens = connected(site, operator, "Narrowed", "https://narrowed.example/cb")
    settled(site)
    page = operator.http.get("/connected-apps").text
    link = re.search(r'href="(/connected-apps/[0-9a-f-]{36}/narrow)">Change<span class="sr"> Narrowed', page)
    assert link
    path = link.group(1)
    finance = site.projects["Finance"]
    kept = {"scope": ["projects:query", "jobs:run", "account:manage"], "project_access": "selected", "project_id": [finance, "prj_other"]}
    answer = post(operator, path, **kept)
    assert answer.status_code == 303
    assert "Narrowed Narrowed. Event" in text_of(operator.http.get("/connected-apps"))
    tokens = app.refresh(tokens["refresh_token"]).json()
    assert set(tokens["scope"].split()) == {"projects:query", "jobs:run"}
    for missing, words in (("scope", "Choose at least one permission to keep"), ("project_id", "Choose at least one project to keep")):
        refused = post(operator, path, **{**kept, missing: []})
        assert refused.status_code == 400
        assert words in text_of(refused)
    same = post(operator, path, **{**kept, "project_id": [finance]})
    assert same.status_code == 303
    assert "Narrowed keeps what it has." in text_of(operator.http.get("/connected-apps"))
    analyst = signed_in(site, "analyst")
    assert analyst.http.get(path).status_code == 404


def test_one_session_is_revoked_and_the_others_and_the_consent_stay(site: Site) -> None:
    operator, analyst = signed_in(site, "operator"), signed_in(site, "analyst")
    app, first = connected(site, operator, "Twice", "https://twice.example/cb")
    second = app.session(operator)
    settled(site)
    page = operator.http.get("/connected-apps").text.partition("Twice")[2].partition("</article>")[0]
    assert "2 sessions" in page
    last = re.findall(r'action="(/connected-apps/sessions/[0-9a-f-]{36}/revoke)"', page)[0]
    question = operator.http.get(last)
    assert "Revoke this session of Twice?" in text_of(question)
    assert "Its other sessions continue." in text_of(question)
    assert analyst.http.get(last).status_code == 404
    assert analyst.http.post(last, data=hidden(analyst.http.get("/sign-out").text)).status_code == 404
    answer = operator.http.post(last, data=hidden(question.text))
    assert (answer.status_code, answer.headers["location"]) == (303, "/connected-apps")
    words = text_of(operator.http.get("/connected-apps"))
    assert "Revoked a session of Twice. Event" in words
    answers = [app.refresh(tokens["refresh_token"]).status_code for tokens in (first, second)]
    assert answers == [200, 400]
    assert operator.http.get(last).status_code == 404


def test_a_session_that_ended_for_reuse_tells_its_person_why(site: Site) -> None:
    operator = signed_in(site, "operator")
    app, tokens = connected(site, operator, "Stolen", "https://stolen.example/cb")
    newer = app.refresh(app.refresh(tokens["refresh_token"]).json()["refresh_token"])
    assert newer.status_code == 200
    assert app.refresh(tokens["refresh_token"]).status_code == 400
    settled(site)
    card = text_of(operator.http.get("/connected-apps")).partition("Stolen")[2]
    assert "None, it must ask you again" in card
    assert "an old token of it came back, so it may have been stolen" in card


def test_a_session_that_an_admin_or_the_person_revoked_says_who_it_was(site: Site) -> None:
    operator, services = signed_in(site, "operator"), site.app.services
    for name in ("By Admin", "By Person"):
        app, _ = connected(site, operator, name, f"https://{name[3:].lower()}.example/cb")
        settled(site)
        with site.app.views() as conn:
            (session,) = list_sessions(conn, site.account_id, client_stream=str(client_of(services, site.account_id, app.client_id).id))
        by = {"by": "admin", "actor_id": site.people["admin"], "reason": "Laptop lost"} if name == "By Admin" else {"by": "member"}
        facts: dict[str, Any] = {"actor_id": site.people["operator"], "reason": None, **by}
        revoke_grant.revoke(services, site.account_id, session.grant_id, origin=ORIGIN, **facts)
    settled(site)
    words = text_of(operator.http.get("/connected-apps"))
    assert "Priya Raman revoked it: “Laptop lost”" in words.partition("By Admin")[2].partition("Ends")[2]
    assert "you revoked it" in words.partition("By Person")[2].partition("Ends")[2]
