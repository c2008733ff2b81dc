from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infrastructure.database import connect
from infrastructure.ledger.sealing import Sealing, signer_of
from infrastructure.ledger.verifier import NotProven, check_proof
from projections.audit_log.event_types import EVENT_TYPES
from tests.support.http_flow import Person
from tests.web.pages.conftest import ORIGIN, Site, connected, settled, signed_in, text_of
from web.export_manifest import check
from web.pages import audit, audit_views
from web.pages.audit_export import Export
from web.pages.audit_sentences import TOLD
from web.pages.audit_views import LONGEST, Asked, asked


@pytest.fixture(scope="module")
def admin(site: Site) -> Person:
    person = signed_in(site, "admin")
    connected(site, signed_in(site, "analyst"), "Claude Code", scopes=["projects:query"], projects=[site.projects["Sales"]])
    settled(site)
    return person


def positions(page: str) -> list[int]:
    return [int(found.replace(",", "")) for found in re.findall(r'<a class="pos" href="[^"]*"[^>]*>([\d,]+)</a>', page)]


def test_every_event_type_has_a_sentence() -> None:
    assert set(EVENT_TYPES) <= TOLD


def test_every_event_type_stands_under_a_heading_of_its_own_once(site: Site, admin: Person) -> None:
    shown = admin.http.get("/settings/audit").text.partition('id="f-type"')[2].partition("</select>")[0]
    assert re.findall(r'<optgroup label="([^"]+)">', shown) == [*audit_views._GROUPS]
    assert shown.count("<optgroup") == shown.count("</optgroup>")
    assert sorted(re.findall(r'<option value="([^"]+)"', shown)) == sorted(EVENT_TYPES)


def test_an_opened_event_leads_back_to_the_log(admin: Person) -> None:
    page = admin.http.get("/settings/audit/1").text
    assert '<a href="/settings/audit">Audit log</a></li><li aria-current="page">Event 1</li>' in page


def test_the_flow_is_told_step_by_step(site: Site, admin: Person) -> None:
    words = text_of(admin.http.get("/settings/audit"))
    for step in (
        "oauth_client.registered Registered itself with http://localhost:3118/callback",
        "oauth_client.authorization_approved 1 of 5 permissions in Sales, keep alive on",
        "access_token.issued For 10 minutes: projects:query",
        "refresh_token.issued The first of its session",
        "login.password.succeeded Signed in with password",
        "user.added Added Otto Olsen as Job Operator",
        "project.added Added project Finance",
    ):
        assert step in words, step
    assert "127.0.0.1" in words


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=project.added", {"project.added"}),
        ("user=maya", {"login.password.succeeded", "oauth_client.authorization_approved", "oauth_client.authorized", "access_token.issued"}),
        ("client=CLIENT", {"oauth_client.registered", "refresh_token.issued"}),
        ("user=nobody", set()),
        ("from=2020-01-01&to=2020-01-02", set()),
    ],
)
def test_filters_stand_in_the_url(site: Site, admin: Person, query: str, expected: set[str]) -> None:
    settled(site)
    listed = admin.http.get("/settings/audit").text
    client = re.search(r'<option value="(app_[0-9a-f]+)"', listed)
    assert client
    page = admin.http.get(f"/settings/audit?{query.replace('CLIENT', client.group(1))}")
    found = set(re.findall(r'<span class="evt">([^<]+)</span>', page.text))
    assert expected <= found
    if query.startswith("type"):
        assert found == expected
    if not expected:
        assert "No events match." in page.text
    assert "Clear filters" in page.text


def turned(admin: Person, page: str, words: str) -> str:
    link = re.search(rf'<a class="btn slim" href="([^"]+)">{words}</a>', page)
    assert link, words
    return admin.http.get(unescape(link.group(1))).text


def test_older_and_newer_go_by_position_there_and_back(site: Site, admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    settled(site)
    monkeypatch.setattr(audit_views, "PAGE_SIZE", 7)
    page = admin.http.get("/settings/audit?from=2020-01-01").text
    pages = [positions(page)]
    assert "Newer" not in page
    while "Older" in page:
        page = turned(admin, page, "Older")
        pages.append(positions(page))
    everything = [position for one in pages for position in one]
    assert everything == sorted(everything, reverse=True)
    assert len(everything) == len({*everything}) + sum(one.count(position) - 1 for one in pages for position in {*one})
    assert everything[-1] == 1
    back: list[list[int]] = []
    while "Newer" in page and len(back) < len(pages):
        page = turned(admin, page, "Newer")
        back.append(positions(page))
    assert {position for one in back for position in one} | {*pages[-1]} == {*everything}
    assert len(pages) > 3
    assert positions(admin.http.get(f"/settings/audit?after={10**15}").text)[0] == everything[0]


def test_a_page_that_ends_with_both_entries_of_an_event_leads_on(site: Site, admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    settled(site)
    shown = positions(admin.http.get("/settings/audit").text)
    first = next(number for number, (one, next_one) in enumerate(pairwise(shown)) if one == next_one)
    monkeypatch.setattr(audit_views, "PAGE_SIZE", first + 1)
    page = admin.http.get("/settings/audit").text
    assert positions(page) == shown[: first + 2]
    assert positions(turned(admin, page, "Older"))[0] == shown[first + 2]


def test_an_opened_event_closes_again(site: Site, admin: Person) -> None:
    settled(site)
    page = admin.http.get("/settings/audit").text
    position = positions(page)[3]
    opened = admin.http.get(f"/settings/audit/{position}?type=").text
    link = re.search(r'href="([^"]+)" aria-current="true"', opened)
    assert link
    closed = admin.http.get(unescape(link.group(1))).text
    assert positions(closed)[0] == position
    assert "aria-expanded" not in closed


def test_a_filter_that_finds_many_people_says_whom_it_leaves_out(site: Site, admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_PEOPLE", 2)
    words = text_of(admin.http.get("/settings/audit?user=jaffle.example"))
    assert "Only of the first 2 of 5 people that “jaffle.example” finds" in words
    assert "Only of the first" not in text_of(admin.http.get("/settings/audit?user=maya"))


def test_an_event_opens_in_place_as_it_was_recorded(site: Site, admin: Person) -> None:
    page = admin.http.get("/settings/audit?type=oauth_client.registered")
    position = positions(page.text)[0]
    opened = admin.http.get(f"/settings/audit/{position}?type=oauth_client.registered")
    words = text_of(opened)
    assert '"topic": "client.registered"' in words
    assert "In the log, not yet in a checkpoint" in words
    assert re.search(r"Leaf hash [0-9a-f]{64}", words)
    assert f"<title>Event {position}" in opened.text
    assert "(sealed under" in words
    assert f'aria-controls="panel-{position}"' in opened.text


def test_what_an_app_calls_itself_stays_text_in_the_log(site: Site, admin: Person) -> None:
    connected(site, signed_in(site, "operator"), "<img src=x onerror=alert(1)>", "https://img.example/cb")
    settled(site)
    page = admin.http.get("/settings/audit").text
    assert "<img" not in page
    assert "&lt;img src=x" in page


def test_an_export_with_its_manifest_is_checked_offline(site: Site, admin: Person, tmp_path: Path) -> None:
    query = "?type=project.added"
    assert f'href="/settings/audit/export.csv.zip{query}' in admin.http.get(f"/settings/audit{query}").text
    answer = admin.http.get(f"/settings/audit/export.csv.zip{query}")
    assert answer.headers["content-disposition"].endswith('.csv.zip"')
    with zipfile.ZipFile(io.BytesIO(answer.content)) as zipped:
        zipped.extractall(tmp_path)
    table = tmp_path / "entries.csv"
    assert table.read_bytes() == admin.http.get(f"/settings/audit/export.csv{query}").content
    with site.app.views() as connection:
        vkey = signer_of(site.app.settings, connection).vkeys[0]
    said = check(table, tmp_path / "manifest.json", vkey)
    assert (said["kind"], said["rows"], said["filter"]["event_type"]) == ("csv", 3, "project.added")
    settled(site)
    assert '"whole": true' in text_of(admin.http.get(f"/settings/audit/{said['export_event']}"))
    table.write_bytes(table.read_bytes()[:-1])
    with pytest.raises(NotProven, match="it was cut off"):
        check(table, tmp_path / "manifest.json", vkey)


@pytest.mark.parametrize("way", [Export.lines, Export.with_manifest])
def test_an_export_that_breaks_off_is_recorded_as_broken_off(site: Site, admin: Person, way: Callable[[Export], Any]) -> None:
    now = site.app.services.clock()
    found = Asked(since=now - timedelta(days=1), until=now, event_type="user.added", user="", client="", given={})
    export = Export(site.app, site.account_id, site.people["admin"], ORIGIN, "jsonl", found, [None])
    reading = way(export)
    next(reading)
    reading.close()  # what the server does when its caller is gone
    settled(site)
    newest = admin.http.get("/settings/audit?type=audit_log.exported")
    assert "Exported the audit log; it broke off" in text_of(newest).partition("Via app")[2][:400]
    recorded = text_of(admin.http.get(f"/settings/audit/{positions(newest.text)[0]}"))
    assert '"whole": false' in recorded
    assert f'"rows": {export.rows}' in recorded
    assert export.rows > 0


def test_an_export_is_exactly_the_filtered_set_and_is_recorded(fresh_site: Site) -> None:
    site, admin = fresh_site, signed_in(fresh_site, "admin")
    settled(site)
    page = admin.http.get("/settings/audit?type=project.added&user=").text
    assert "An export contains exactly these." in page
    answer = admin.http.get("/settings/audit/export.csv?type=project.added")
    assert answer.headers["content-disposition"].startswith('attachment; filename="audit-')
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [json.loads(row["event_context"])["name"] for row in rows] == ["Finance", "Marketing", "Sales"]
    lines = admin.http.get("/settings/audit/export.jsonl?user=maya").text.splitlines()
    assert {json.loads(line)["actor_name"] for line in lines if json.loads(line)["actor_name"] != "Maya Castillo"} <= {None}
    assert admin.http.get("/settings/audit/export.xlsx").status_code == 404
    settled(site)
    words = text_of(admin.http.get("/settings/audit?type=audit_log.exported"))
    assert words.count("Exported the audit log") == 2
    assert "Priya Raman" in words
    exported = positions(admin.http.get("/settings/audit?type=audit_log.exported").text)[0]
    recorded = admin.http.get(f"/settings/audit/{exported}").text.partition("<pre")[2].partition("</pre>")[0]
    assert site.people["analyst"] in recorded
    assert "maya" not in recorded.lower()


def test_an_app_can_t_smuggle_a_formula_into_a_spreadsheet(site: Site, admin: Person) -> None:
    connected(site, signed_in(site, "operator"), "=1+1", "https://formula.example/cb")
    settled(site)
    rows = csv.DictReader(io.StringIO(admin.http.get("/settings/audit/export.csv").text))
    assert {row["client_name"] for row in rows} >= {"'=1+1", "Claude Code"}


@pytest.mark.parametrize("position", ["0", "999999999", str(2**63), str(2**70)])
def test_an_event_that_is_not_there_is_a_page_that_says_so(site: Site, admin: Person, position: str) -> None:
    assert admin.http.get(f"/settings/audit/{position}").status_code == 404


@pytest.mark.parametrize(
    "query", ["from=x", "to=9999-99-99", "before=abc", "before=" + "9" * 30, "type=%27", "client=%00", "from=2026-11-24&to=2020-01-01"]
)
def test_an_odd_filter_never_fails(site: Site, admin: Person, query: str) -> None:
    assert admin.http.get(f"/settings/audit?{query}").status_code == (400 if "%00" in query else 200)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from=banana", "From: “banana” is no date, write it as 2026-11-24."),
        ("to=9999-99-99", "To: “9999-99-99” is no date, write it as 2026-11-24."),
        ("type=banana", "Event type: there is no “banana”, choose one from the list."),
    ],
)
def test_a_filter_that_is_not_understood_is_told_and_never_exported_without(site: Site, admin: Person, query: str, words: str) -> None:
    page = admin.http.get(f"/settings/audit?{query}&user=maya")
    assert f"{words} Until then this filter is left out." in text_of(page)
    assert 'href="/settings/audit/export.csv?user=maya"' in page.text
    for kind in ("csv", "csv.zip", "zip"):
        refused = admin.http.get(f"/settings/audit/export.{kind}?{query}&user=maya")
        assert refused.status_code == 400
        assert f"Nothing was exported. {words}" in text_of(refused)
        assert "content-disposition" not in refused.headers
    assert "is left out" not in text_of(admin.http.get("/settings/audit?from=2026-11-01&to=&type=project.added"))


def test_a_range_that_ends_before_it_begins_is_told_and_not_exported(admin: Person) -> None:
    query, words = "from=2026-11-24&to=2026-11-23", "To: 2026-11-23 comes before From, 2026-11-24."
    page = admin.http.get(f"/settings/audit?{query}")
    assert f"{words} Until then this filter is left out." in text_of(page)
    assert 'href="/settings/audit/export.csv?from=2026-11-24"' in page.text
    for kind in ("csv", "jsonl.zip", "zip"):
        refused = admin.http.get(f"/settings/audit/export.{kind}?{query}")
        assert (refused.status_code, f"Nothing was exported. {words}" in text_of(refused)) == (400, True)
    assert admin.http.get("/settings/audit/export.csv?from=2026-11-24&to=2026-11-24").status_code == 200


def test_a_page_covers_ninety_days_at_most() -> None:
    now = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
    found = asked({"from": "2020-01-01"}, now)
    assert found.until - found.since == LONGEST
    narrow = asked({"from": "2026-11-17", "to": "2026-11-20"}, now)
    assert (narrow.since, narrow.until) == (datetime(2026, 11, 17, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))
    assert asked({}, now).until >= now + timedelta(hours=1)


def seal(site: Site) -> str:
    """Sign what there is; the log's public key."""
    settled(site)
    with connect(site.app.dsn) as leading:
        Sealing(site.app.settings, site.app.services).term(leading)(leading, lambda: settled(site))
        return signer_of(site.app.settings, leading).vkeys[0]


def test_an_opened_event_is_proved_by_the_newest_checkpoint(fresh_site: Site) -> None:
    admin = signed_in(fresh_site, "admin")
    settled(fresh_site)
    assert "In the log, not yet in a checkpoint" in text_of(admin.http.get("/settings/audit/1"))
    assert admin.http.get("/settings/audit/1.leaf").status_code == 404
    vkey = seal(fresh_site)
    words = text_of(admin.http.get("/settings/audit/1"))
    assert "In checkpoint" in words
    assert "Inclusion proof" in words
    leaf, proof = (admin.http.get(f"/settings/audit/1.{kind}").content for kind in ("leaf", "tlog-proof"))
    assert check_proof(leaf, proof.decode(), vkey)[0] == 0
    with psycopg.connect(fresh_site.superuser_dsn, autocommit=True) as owner:
        owner.execute("ALTER TABLE events DISABLE TRIGGER ALL")
        owner.execute("""UPDATE events SET state = convert_to(replace(convert_from(state, 'UTF8'), 'Jaffle', 'Jiffle'), 'UTF8')
            WHERE topic = 'account.opened'""")
    assert "Does not match checkpoint" in text_of(admin.http.get("/settings/audit/1"))
    assert "is not what was signed" in text_of(admin.http.get("/settings/audit/1"))
