from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from tests.support.http_flow import App, Person, hidden
from tests.web.pages.conftest import Site, connected, post, settled, signed_in, text_of
from web.cli.root import cli

KEYS = {"SECRET_KEYS": "secret.keys", "WRAPPING_KEYS": "wrapping.keys", "LEDGER_KEY": "ledger.keys"}


@pytest.fixture(scope="module")
def admin(site: Site) -> Person:
    return signed_in(site, "admin")


def grant_ids(page: str) -> list[str]:
    return re.findall(r'name="grant_id" value="([0-9a-f-]{36})"', page)


def test_without_sessions_the_page_says_how_to_start(fresh_site: Site) -> None:
    admin = signed_in(fresh_site, "admin")
    assert "No app is connected. Give one this URL to start." in text_of(admin.http.get("/settings/sessions"))


def test_the_list_tells_sessions_apart_and_filters_them(fresh_site: Site) -> None:
    site, admin = fresh_site, signed_in(fresh_site, "admin")
    analyst, operator = signed_in(site, "analyst"), signed_in(site, "operator")
    connected(site, analyst, "Claude Code", scopes=["projects:query"], projects=[site.projects["Sales"]])
    app, tokens = connected(site, operator, "Cursor", "cursor://anysphere.cursor-mcp/oauth/callback")
    tokens = app.refresh(tokens["refresh_token"]).json()
    settled(site)
    page = admin.http.get("/settings/sessions")
    words = text_of(page)
    assert "Maya Castillo" in words
    assert "Sales" in words
    assert len(grant_ids(page.text)) == 2
    for query, left in (
        ("user=maya", "Maya Castillo"), (f"client={app.client_id}", "Otto Olsen"), ("scope=jobs:run", "Otto Olsen"),
        (f"project={site.projects['Finance']}", "Otto Olsen"), ("user=otto&scope=catalog:read", "Otto Olsen"),
    ):  # fmt: skip
        found = admin.http.get(f"/settings/sessions?{query}").text
        assert len(grant_ids(found)) == 1, query
        assert f">{left}</a>" in found
    assert "No sessions match." in admin.http.get("/settings/sessions?user=nobody").text


@pytest.mark.parametrize(
    "query", ["before=abc", "before=-1", "before=99999999999999999999", "user=%00", "client=%27", "project=x", "scope=%3Cscript%3E"]
)
def test_an_odd_filter_finds_something_or_nothing_but_never_fails(site: Site, admin: Person, query: str) -> None:
    answer = admin.http.get(f"/settings/sessions?{query}")
    assert answer.status_code == (400 if "%00" in query else 200)
    assert "<script>" not in answer.text.replace("<script type", "")


def test_revoking_one_session_leaves_the_others(site: Site, admin: Person) -> None:
    operator = signed_in(site, "operator")
    app, one = connected(site, operator, "Two Windows", "https://two.example/cb")
    other = app.session(operator)
    settled(site)
    newest = grant_ids(admin.http.get(f"/settings/sessions?client={app.client_id}").text)
    assert len(newest) == 2
    detail = admin.http.get(f"/settings/sessions/{newest[0]}")
    assert "Otto Olsen, Two Windows" in text_of(detail)
    answer = post(admin, f"/settings/sessions/{newest[0]}/revoke", reason="Lost laptop")
    assert "Revoked the session of Otto Olsen, Two Windows. Event" in text_of(admin.http.get(answer.headers["location"]))
    assert app.refresh(other["refresh_token"]).json()["error"] == "invalid_grant"
    assert app.refresh(one["refresh_token"]).status_code == 200
    words = text_of(admin.http.get(f"/settings/sessions/{newest[0]}"))
    assert "Revoked by Priya Raman on" in words
    assert "Lost laptop" in words
    again = post(admin, f"/settings/sessions/{newest[0]}/revoke")
    assert "This session had ended before. Nothing was changed." in text_of(admin.http.get(again.headers["location"]))


def test_several_are_revoked_at_once_after_a_question(site: Site, admin: Person) -> None:
    operator, analyst = signed_in(site, "operator"), signed_in(site, "analyst")
    app, one = connected(site, operator, "Several", "https://several.example/cb")
    two = app.session(analyst)
    settled(site)
    ids = grant_ids(admin.http.get(f"/settings/sessions?client={app.client_id}").text)
    question = admin.http.get("/settings/sessions/revoke", params={"grant_id": ids})
    assert "Revoke 2 sessions?" in question.text
    assert "for 2 people" in question.text
    answer = admin.http.post("/settings/sessions/revoke", data={**hidden(question.text), "grant_id": ids})
    assert answer.status_code == 303
    for tokens in (one, two):
        assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_revoking_none_says_what_to_do_on_the_same_list(site: Site, admin: Person) -> None:
    connected(site, signed_in(site, "operator"), "Unticked", "https://unticked.example/cb")
    settled(site)
    listed = admin.http.get("/settings/sessions?client=Unticked&user=&before=99999999").text
    (form,) = re.findall(r'<form id="many".*?</form>', listed)
    sent = dict(re.findall(r'name="([^"]*)" value="([^"]*)"', form))
    assert sent == {"client": "Unticked", "before": "99999999"}
    question = admin.http.get("/settings/sessions/revoke", params={**sent, "grant_id": grant_ids(listed)}).text
    assert 'href="/settings/sessions?client=Unticked&amp;before=99999999"' in question
    answer = admin.http.get("/settings/sessions/revoke", params=sent)
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings/sessions?client=Unticked&before=99999999")
    words = text_of(admin.http.get(answer.headers["location"]))
    assert "No session was selected. Tick the sessions to end, then choose Revoke selected." in words


def test_a_session_ended_for_reuse_stays_listed_with_the_reason(site: Site, admin: Person) -> None:
    operator = signed_in(site, "operator")
    app, first = connected(site, operator, "Stolen", "https://stolen.example/cb")
    second = app.refresh(first["refresh_token"]).json()
    app.refresh(second["refresh_token"])
    assert app.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    settled(site)
    words = text_of(admin.http.get("/settings/sessions"))
    assert "Ended for reuse" in words
    assert "A token two rotations old came back from the same address." in words
    assert "Presented from 127.0.0.1, last refresh came from 127.0.0.1." in words
    assert "The session had last refreshed a moment earlier." in words


def test_what_ended_a_session_is_told_alike_by_its_page_its_event_and_the_api(site: Site, admin: Person) -> None:
    app, first = connected(site, signed_in(site, "operator"), "Raced", "https://raced.example/cb")
    second = app.refresh(first["refresh_token"]).json()
    app.refresh(second["refresh_token"])
    app.refresh(first["refresh_token"])
    settled(site)
    opened = admin.http.get("/settings/audit/{}".format(*re.findall(r'href="/settings/audit/(\d+)', ended_card(admin, "Raced")))).text
    assert 'aria-label="3 issues of tokens over less than an hour and then a spent token came back and the session ended"' in opened
    (grant_id,) = re.findall(r'href="/settings/sessions/([0-9a-f-]{36})">Session<', opened)
    reader = ApiClient(site)
    shown = reader.get(f"sessions/{grant_id}")
    reuse = shown["reuse"]
    assert (reuse["verdict"], reuse["generation"], reuse["current"], reuse["in_grace"]) == ("race", 1, 3, [])
    assert reuse["first"]["address"] == reuse["again"]["address"] == "127.0.0.1"
    assert reuse["first"]["position"] < reuse["again"]["position"]
    assert unescape(reuse["words"]) in text_of(admin.http.get(f"/settings/sessions/{grant_id}"))
    assert reuse["words"] in unescape(opened)
    listed = {each["grant_id"]: each["reuse"] for each in reader.get("sessions?state=all&limit=200")["data"]}
    assert listed.pop(grant_id) == reuse
    assert None in listed.values(), "a session that still lives has nothing to tell"
    assert by_command(site, "show", grant_id)["reuse"] == reuse
    assert {each["grant_id"]: each["reuse"] for each in by_command(site, "list", "--all")}[grant_id] == reuse


def by_command(site: Site, *words: str) -> Any:
    """What `grantbook session` says about the site's store, as JSON, with its times as the API writes them."""
    folder = site.app.settings.data_dir
    keys = {f"GRANTBOOK_{name}": (folder / file).read_text(encoding="utf-8").strip() for name, file in KEYS.items()}
    unknown = CliRunner().invoke(cli, ["session", "show", "nonsense"], env={"GRANTBOOK_DATABASE_URL": site.app.dsn, **keys})
    assert unknown.exit_code != 0
    assert "session list --all" in f"{unknown.output}{unknown.exception}"
    done = CliRunner().invoke(cli, ["session", *words, "--json"], env={"GRANTBOOK_DATABASE_URL": site.app.dsn, **keys})
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.replace('Z"', '+00:00"'))


def ended_card(admin: Person, app: str) -> str:
    """The part of the list that tells why this app's session ended."""
    return next(card for card in admin.http.get("/settings/sessions").text.split("<article")[1:] if app in card)


class ApiClient:
    """A program with an admin's access token."""

    def __init__(self, site: Site) -> None:
        api = site.app.services.api_url
        app = App(site.base_url, "Reader", redirect_uri="http://localhost:3118/callback")
        app.register()
        url, verifier = app.authorize_url(resource=api, scope="account:read")
        self._person = signed_in(site, "admin")
        self._token = app.exchange(self._person.decide(url, scopes=["account:read"])["code"], verifier).json()["access_token"]
        self._url = f"{site.base_url}/api/v1"

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self._url}/{path}", headers={"Authorization": f"Bearer {self._token}"})
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.mark.parametrize("grant_id", ["x", "00000000-0000-0000-0000-000000000000", "%00" * 12, "g" * 36, "-" * 36])
def test_a_session_that_is_not_there_is_a_page_that_says_so(site: Site, admin: Person, grant_id: str) -> None:
    assert admin.http.get(f"/settings/sessions/{grant_id}").status_code in (400, 404)
    assert admin.http.get("/settings/sessions/revoke", params={"grant_id": grant_id}).status_code in (400, 404)


def test_a_strip_tells_the_week_in_words_and_a_session_s_page_draws_it_large(site: Site, admin: Person) -> None:
    operator = signed_in(site, "operator")
    app, tokens = connected(site, operator, "Striped", "https://striped.example/cb")
    app.refresh(tokens["refresh_token"])
    app.refresh(tokens["refresh_token"])
    settled(site)
    page = admin.http.get(f"/settings/sessions?client={app.client_id}").text
    assert 'aria-label="2 issues of tokens over less than an hour and 1 race in grace"' in page
    assert 'class="race"' in page
    assert '<span class="two">1, with 1 race</span>' in page, "the first issue was no rotation"
    detail = admin.http.get(f"/settings/sessions/{grant_ids(page)[0]}").text
    assert 'class="strip full"' in detail
    assert 'class="base" x1="0.0%" x2="100.0%"' in detail, "the first moment that it names is where it begins"
    assert post(admin, f"/settings/sessions/{grant_ids(page)[0]}/revoke").status_code == 303
    settled(site)
    ended = admin.http.get(f"/settings/sessions/{grant_ids(page)[0]}").text
    assert 'class="base" x1="0.0%" x2="100.0%"' in ended
    assert "Rotations, its last 7 days" in ended
    assert "style=" not in page + detail


@pytest.mark.parametrize("by", ["user", "client"])
def test_all_sessions_of_a_person_or_an_app_are_revoked_after_a_question(fresh_site: Site, by: str) -> None:
    site, admin = fresh_site, signed_in(fresh_site, "admin")
    operator, analyst = signed_in(site, "operator"), signed_in(site, "analyst")
    app, one = connected(site, operator, "Everywhere", "https://everywhere.example/cb")
    two = app.session(operator)
    theirs = app.session(analyst, scopes=["projects:query"])
    other_app, other = connected(site, operator, "Elsewhere", "https://elsewhere.example/cb")
    settled(site)
    of_person = by == "user"
    listed = admin.http.get("/settings/sessions", params={"user": "otto"} if of_person else {"client": app.client_id})
    name = "Otto Olsen" if of_person else "Everywhere"
    assert f"Revoke all 3 sessions of {name}" in text_of(listed)
    path = re.search(r'href="(/settings/sessions/revoke-all[^"]*)"', listed.text)
    assert path
    question = admin.http.get(path.group(1))
    assert f"Revoke all sessions of {name}?" in question.text
    assert "Revoke 3 sessions</button>" in question.text
    answer = admin.http.post("/settings/sessions/revoke-all", data={**hidden(question.text), "reason": "Left"})
    assert answer.status_code == 303
    assert f"Revoked 3 sessions of {name}. Event" in text_of(admin.http.get(answer.headers["location"]))
    kept = [(app, theirs)] if of_person else [(other_app, other)]
    ended = [(app, one), (app, two), (other_app, other) if of_person else (app, theirs)]
    assert [who.refresh(tokens["refresh_token"]).status_code for who, tokens in ended] == [400] * 3
    assert [who.refresh(tokens["refresh_token"]).status_code for who, tokens in kept] == [200]
    again = admin.http.post("/settings/sessions/revoke-all", data=hidden(question.text))
    assert f"Revoked 0 sessions of {name}." in text_of(admin.http.get(again.headers["location"]))


@pytest.mark.parametrize("query", ["", "user=x", "client=x", "user=00000000-0000-0000-0000-000000000000", "client=%27", "user=&client="])
def test_revoking_all_of_nobody_is_a_page_that_says_so(site: Site, admin: Person, query: str) -> None:
    assert admin.http.get(f"/settings/sessions/revoke-all?{query}").status_code == 404


def test_an_app_is_found_by_a_part_of_its_name(site: Site, admin: Person) -> None:
    operator = signed_in(site, "operator")
    connected(site, operator, "Needle One", "https://needle.example/cb")
    settled(site)
    assert len(grant_ids(admin.http.get("/settings/sessions?client=needle").text)) == 1
    assert "No sessions match." in admin.http.get("/settings/sessions?client=haystack").text
