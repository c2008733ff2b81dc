from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import UUID

import pytest

from application import decide_app, manage_members
from tests.support.http_flow import App, Person
from tests.web.pages.conftest import ORIGIN, Site, connected, settled, signed_in, text_of


@dataclass
class Past:
    """A site with a history: at `before` the analyst's app could query; the next event forbids it, the one after blocks an app; then another came."""

    site: Site
    before: int
    apps: list[App]


def head(site: Site) -> int:
    settled(site)
    with site.app.views() as conn:
        row = conn.execute("SELECT max(position) FROM positions").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(scope="module")
def past(site: Site) -> Past:
    analyst, operator = signed_in(site, "analyst"), signed_in(site, "operator")
    first, _ = connected(site, analyst, "Old Tool", scopes=["account:read", "projects:query"], projects=[site.projects["Sales"]])
    second, _ = connected(site, operator, "Blocked Tool", scopes=["jobs:run"])
    before = head(site)
    manage_members.forbid(
        site.app.services,
        site.account_id,
        UUID(site.people["analyst"]),
        "metrics.query",
        projects=["Sales"],
        actor_id=site.people["admin"],
        origin=ORIGIN,
    )
    decide_app.block(site.app.services, site.account_id, second.client_id, actor_id=site.people["admin"], origin=ORIGIN)
    third, _ = connected(site, operator, "New Tool", scopes=["account:read"])
    head(site)
    return Past(site, before, [first, second, third])


@pytest.fixture(scope="module")
def admin(past: Past) -> Person:
    return signed_in(past.site, "admin")


def rows(page: str) -> dict[str, str]:
    """Each app's row as text."""
    found = {}
    for row in re.findall(r'<tr role="row"><td.*?</tr>', page, re.DOTALL):
        words = " ".join(re.sub(r"<[^>]+>", " ", row).split())
        found[next(app for app in ("Old Tool", "Blocked Tool", "New Tool") if app in words)] = words
    return found


def test_the_past_stands_beside_now_with_what_changed_and_why(past: Past) -> None:
    viewer = signed_in(past.site, "viewer")
    page = viewer.http.get("/settings/replay", params={"position": past.before}).text
    found = rows(page)
    assert "Narrowed Lost projects:query" in found["Old Tool"]
    assert "Lost App blocked" in found["Blocked Tool"]
    assert "No access Why" in found["New Tool"]
    assert "Gained 1 scope now account:read by event" in found["New Tool"]
    assert "1 gained" in text_of_page(page)
    assert "1 lost" in text_of_page(page)


def test_a_change_names_the_event_that_made_it(past: Past, admin: Person) -> None:
    found = rows(admin.http.get("/settings/replay", params={"position": past.before}).text)
    assert f"Lost projects:query by event {past.before + 1} Why" in found["Old Tool"]
    assert f"by event {past.before + 2} Why" in found["Blocked Tool"]


def test_any_two_moments_are_compared_and_the_link_keeps_both(past: Past, admin: Person) -> None:
    first, second = past.before, past.before + 1
    answer = admin.http.get("/settings/replay", params={"position": first, "until": second})
    found, words = rows(answer.text), text_of(answer)
    assert set(found) == {"Old Tool", "Blocked Tool"}
    assert f"Narrowed Lost projects:query by event {second}" in found["Old Tool"]
    assert "Same" in found["Blocked Tool"]  # it was blocked after that
    assert f"At event {second}" in words
    assert "1 narrowed 1 same" in words
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="(/settings/replay\?[^"]+)"', answer.text)]
    assert f"/settings/replay?position={first}" in links  # the way back to now
    assert all(
        f"until={second}" in link for link in links if "changes=only" in link or int(link.partition("position=")[2].partition("&")[0]) != first
    )
    assert "Change after" in answer.text
    assert "Change after" not in admin.http.get("/settings/replay", params={"position": second, "until": second}).text


def test_moments_in_the_wrong_order_change_places(past: Past, admin: Person) -> None:
    answer = admin.http.get("/settings/replay", params={"position": past.before + 1, "until": past.before})
    assert "The later moment came first, so the two changed places." in text_of(answer)
    assert f"Lost projects:query by event {past.before + 1}" in rows(answer.text)["Old Tool"]
    nothing = admin.http.get("/settings/replay", params={"position": past.before, "until": past.before, "changes": "only"})
    assert "Nothing changed between the two." in text_of(nothing)


def test_a_second_moment_that_is_not_there_is_told_and_now_stands_for_it(past: Past, admin: Person) -> None:
    for until in ("x", "99999999", "-1", "9" * 30):
        answer = admin.http.get("/settings/replay", params={"position": past.before, "until": until})
        assert answer.status_code == 200
        assert "so it is compared with now." in text_of(answer)
        assert "until=" not in answer.text


def text_of_page(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_now_is_the_same_as_now(admin: Person) -> None:
    found = rows(admin.http.get("/settings/replay").text)
    assert set(found) == {"Old Tool", "New Tool"}
    assert all("Same" in words for words in found.values())
    only = admin.http.get("/settings/replay?changes=only")
    assert "Nothing has changed since." in text_of(only)


def test_what_is_explained_is_the_moment_that_was_judged(past: Past, admin: Person) -> None:
    """Now is a time, as sessions end by time alone; an earlier moment is an event's."""
    now = admin.http.get("/settings/replay").text
    assert re.search(r'href="/settings/explain\?[^"]*&amp;at=20', now)
    assert not re.search(r'href="/settings/explain\?[^"]*position=', now)
    then = admin.http.get("/settings/replay", params={"position": past.before}).text
    assert re.search(rf'href="/settings/explain\?[^"]*position={past.before}', then)


def test_a_person_and_a_project_narrow_the_question(past: Past, admin: Person) -> None:
    assert set(rows(admin.http.get("/settings/replay", params={"position": past.before, "user": "castillo"}).text)) == {"Old Tool"}
    sales = admin.http.get("/settings/replay", params={"position": past.before, "project": past.site.projects["Sales"]}).text
    assert set(rows(sales)) == {"Old Tool", "Blocked Tool"}


def test_date_and_time_lead_to_a_position_that_keeps_its_meaning(admin: Person) -> None:
    now = datetime.now(UTC) - timedelta(seconds=1)
    answer = admin.http.get("/settings/replay", params={"date": f"{now:%Y-%m-%d}", "time": f"{now:%H:%M:%S}", "user": "castillo"})
    assert answer.status_code == 303
    assert re.fullmatch(r"/settings/replay\?position=\d+&user=castillo", answer.headers["location"])
    long_ago = admin.http.get("/settings/replay", params={"date": "2020-01-01"})
    assert long_ago.headers["location"] == "/settings/replay?position=0"
    assert "first moment" in text_of(admin.http.get(long_ago.headers["location"]))
    both = admin.http.get(
        "/settings/replay", params={"date": "2020-01-01", "until_date": f"{now:%Y-%m-%d}", "until_time": f"{now:%H:%M:%S}", "project": "prj_x"}
    )
    assert re.fullmatch(r"/settings/replay\?position=0&until=\d+&project=prj_x", both.headers["location"])


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("position=abc", "“abc” is no event's number, so this is now."),
        ("position=-5", "“-5” is no event's number, so this is now."),
        ("date=banana", "“banana” is no date, so this is now. Write it as 2026-11-24."),
        ("date=2020-01-01&time=25:99", "“25:99” is no time, so this is now. Write it as 15:00, in UTC."),
        ("date=2020-01-01&time=10:00%2B05:00", "“10:00+05:00” is no time, so this is now."),
        ("time=10:00", "The time “10:00” has no date, so it was left out: give a date with it."),
        ("date=2199-01-01", "This is still to come: 2199-01-01 00:00 UTC, so this is now."),
        ("until_date=banana", "“banana” is no date, so it is compared with now."),
        ("until_date=2199-01-01", "This is still to come: 2199-01-01 00:00 UTC, so it is compared with now."),
        ("user=nobody%20at%20all", "Nobody's name holds “nobody at all”: type part of a name, a whole email address, or a member ID."),
        ("user=nobody@jaffle.example", "Nobody here has the email address “nobody@jaffle.example”"),
        (f"user={UUID(int=1)}", f"There is no member “{UUID(int=1)}” in this account."),
        ("project=banana", "There had been no project “banana” by event"),
        ("project=prj_banana", "Projects then: Finance, Marketing, Sales. One that was removed is asked for by its ID."),
    ],
)
def test_what_was_wrong_is_said_on_the_page(admin: Person, query: str, words: str) -> None:
    answer = admin.http.get(f"/settings/replay?{query}")
    assert answer.status_code == 200
    assert words in unescape(text_of(answer))
    assert "for anybody, then or" not in text_of(answer)


def test_a_person_is_named_by_address_and_id_too(past: Past, admin: Person) -> None:
    for user in (past.site.people["analyst"], "ANALYST@jaffle.example"):
        answer = admin.http.get("/settings/replay", params={"position": past.before, "user": user})
        assert set(rows(answer.text)) == {"Old Tool"}
        assert f'value="{user}"' in answer.text
    assert set(rows(admin.http.get("/settings/replay", params={"position": past.before, "project": "Sales"}).text)) == {"Old Tool", "Blocked Tool"}


def test_somebody_without_apps_is_told_from_everybody(past: Past, admin: Person) -> None:
    words = unescape(text_of(admin.http.get("/settings/replay", params={"position": past.before, "user": past.site.people["viewer"]})))
    assert re.search(r"No app could do anything for [A-Z][a-z]+ [A-Z][a-z]+, then or now\.", words)


def test_the_form_keeps_a_moment_that_it_shows_in_whole_seconds(past: Past, admin: Person) -> None:
    page = admin.http.get("/settings/replay", params={"position": past.before, "until": past.before + 1}).text
    form = page[page.rindex("<form", 0, page.index('name="date"')) :]
    fields = dict(re.findall(r'name="(date|time|was|until_date|until_time|until_was)"[^>]*? value="([^"]*)"', form))
    assert len(fields) == 6
    assert admin.http.get("/settings/replay", params=fields).headers["location"] == f"/settings/replay?position={past.before}&until={past.before + 1}"
    emptied = {name: value for name, value in fields.items() if name not in ("until_date", "until_time")}
    assert admin.http.get("/settings/replay", params=emptied).headers["location"] == f"/settings/replay?position={past.before}"


@pytest.mark.parametrize("position", ["999999", "x", "-1", "9" * 30, "1.5"])
def test_a_moment_that_is_not_there_says_so_and_shows_the_nearest(admin: Person, position: str) -> None:
    answer = admin.http.get("/settings/replay", params={"position": position})
    assert answer.status_code == 200
    assert "so this is now" in text_of(answer)


def test_changes_are_stepped_through_one_by_one(past: Past, admin: Person) -> None:
    page = admin.http.get("/settings/replay", params={"position": past.before}).text
    after = re.search(r'href="([^"]+)">Change after', page)
    assert after is not None
    assert after[1] == f"/settings/replay?position={past.before + 1}"
    back = re.search(r'href="([^"]+)">Change before', admin.http.get(after[1]).text)
    assert back is not None
    position = int(back[1].rpartition("=")[2])
    assert position <= past.before


def test_the_first_event_has_nothing_before_it(admin: Person) -> None:
    answer = admin.http.get("/settings/replay?position=1")
    assert "Change before" not in answer.text
    assert "Event 1" in text_of(answer)


def test_those_who_may_not_read_the_audit_log_may_not_replay(past: Past) -> None:
    analyst = signed_in(past.site, "analyst")
    assert analyst.http.get("/settings/replay").status_code == 403
