"""The page that explains one answer: each condition with its event, from a form where every wrong value is told, and as a file with proofs."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest

from application import manage_members, manage_projects
from infrastructure.database import connect
from infrastructure.ledger.sealing import Sealing, signer_of
from infrastructure.ledger.verifier import check_proof
from tests.support.http_flow import App, Person
from tests.web.pages.conftest import ORIGIN, Site, connected, settled, signed_in, text_of

PAGE = "/settings/explain"


@dataclass
class Told:
    """Maya's app could query Sales at `before`; the next event forbids it. `again` is another registration of the same app, which nobody used."""

    site: Site
    app: App
    again: App
    before: int

    def asked(self, **more: str) -> dict[str, str]:
        return {"user": self.site.people["analyst"], "client": self.app.client_id, "scope": "projects:query", **more}


@pytest.fixture(scope="module")
def told(site: Site) -> Told:
    app, _ = connected(site, signed_in(site, "analyst"), "Old Tool", scopes=["account:read", "projects:query"], projects=[site.projects["Sales"]])
    again = App(site.base_url, "Old Tool", redirect_uri="http://localhost:3118/callback")
    again.register()
    settled(site)
    with site.app.views() as conn:
        (before,) = conn.execute("SELECT max(position) FROM positions").fetchone() or (0,)
    member = UUID(site.people["analyst"])
    manage_members.forbid(site.app.services, site.account_id, member, "metrics.query", projects=["Sales"], origin=ORIGIN)
    settled(site)
    return Told(site, app, again, before)


@pytest.fixture(scope="module")
def admin(told: Told) -> Person:
    return signed_in(told.site, "admin")


def conditions(page: str) -> dict[str, tuple[str, int | None]]:
    """Each condition of the first session: whether it held, and the event that is named."""
    found = {}
    for row in re.findall(r'<tr role="row"><td role="cell" class="lead">.*?</tr>', page.partition("<details>")[0], re.DOTALL):
        cells = [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        event = re.search(r'href="/settings/audit/(\d+)"', row)
        found[unescape(cells[0])] = (cells[1], int(event[1]) if event else None)
    return found


def test_what_was_allowed_says_every_condition_and_the_event_that_it_stands_on(told: Told) -> None:
    viewer = signed_in(told.site, "viewer")
    answer = viewer.http.get(PAGE, params=told.asked(project=told.site.projects["Sales"], position=str(told.before)))
    found, words = conditions(answer.text), text_of(answer)
    assert answer.status_code == 200
    assert {held for held, _ in found.values()} == {"Yes"}
    assert "Every condition held, the last since event" in words
    assert "Maya Castillo" in words
    assert "projects:query in Sales" in words
    assert re.search(r"Made by registration event \d+ ; consent event \d+ ; permission event \d+ ; grant event \d+", words)
    held, event = found["The person held metrics.query all the time, in the project"]
    opened = viewer.http.get(f"/settings/audit/{event}")
    assert (held, opened.status_code) == ("Yes", 200)


def test_what_was_refused_names_the_event_that_took_it_away_first(told: Told, admin: Person) -> None:
    answer = admin.http.get(PAGE, params=told.asked(project=told.site.projects["Sales"]))
    found = conditions(answer.text)
    assert next(iter(found.items())) == ("The person held metrics.query all the time, in the project", ("No", told.before + 1))
    assert [held for held, _ in found.values()].count("No") == 1
    assert f"all the time, in the project” since event {told.before + 1}." in text_of(answer)
    other = admin.http.get(PAGE, params=told.asked(project=told.site.projects["Marketing"]))
    assert conditions(other.text)["The session reached the project"][0] == "No"


def test_another_registration_of_the_same_app_leads_to_the_one_that_was_used(told: Told, admin: Person) -> None:
    answer = admin.http.get(PAGE, params=told.asked(client=told.again.client_id, scope="account:read"))
    assert "Every condition held" in text_of(answer)
    assert told.app.client_id in answer.text


def test_a_person_without_a_session_is_told_so(told: Told, admin: Person) -> None:
    answer = admin.http.get(PAGE, params=told.asked(user=told.site.people["member"]))
    assert "This person had no session with this app." in text_of(answer)
    early = admin.http.get(PAGE, params=told.asked(position="1"))
    assert "No session of this person with this app had begun by then." in text_of(early)


def test_an_empty_form_asks_for_nothing_yet(admin: Person) -> None:
    answer = admin.http.get(PAGE)
    assert answer.status_code == 200
    assert "Name a person, an app and what it wanted to do." in text_of(answer)
    assert 'role="alert"' not in answer.text


def test_names_and_dates_lead_to_a_link_that_keeps_its_meaning(told: Told, admin: Person) -> None:
    now = datetime.now(UTC)
    for typed in ("castillo", "Maya Castillo", told.site.email("analyst"), told.site.people["analyst"].upper()):
        answer = admin.http.get(PAGE, params=told.asked(user=typed))
        assert answer.status_code == 303, typed
        assert f"user={told.site.people['analyst']}&" in answer.headers["location"], typed
    by_name = admin.http.get(PAGE, params=told.asked(project="Sales")).headers["location"]
    assert f"project={told.site.projects['Sales']}" in by_name
    dated = admin.http.get(PAGE, params=told.asked(date=f"{now:%Y-%m-%d}", time=f"{now:%H:%M:%S}")).headers["location"]
    assert dated.endswith(f"&at={now:%Y-%m-%dT%H}%3A{now:%M}%3A{now:%S}Z")
    shown = admin.http.get(dated)
    assert shown.status_code == 200
    assert f'name="time" type="time" maxlength="320" step="1" value="{now:%H:%M:%S}"' in shown.text


WRONG: list[tuple[dict[str, str], str]] = [
    ({"user": ""}, "Say who: a name, an email address or a member ID."),
    ({"user": "nobody"}, "Nobody here is called “nobody”."),
    ({"user": "jaffle.example"}, "people: type the whole email address."),
    ({"user": str(uuid4())}, "There is no such member in this account."),
    ({"client": ""}, "Choose an app."),
    ({"client": "app_nothing"}, "There is no such app in this account."),
    ({"client": "https://elsewhere.example/app.json"}, "There is no such app in this account."),
    ({"scope": ""}, "Choose what the app wanted to do."),
    ({"scope": 'a "b"'}, "This is no scope: a scope has no spaces, quotes or backslashes."),
    ({"scope": "moon:fly"}, "There had been no scope “moon:fly” by event"),
    ({"project": "Moon"}, "There had been no project “Moon” by event"),
    ({"project": "prj_moon"}, "Projects then: Finance, Marketing, Sales. One that was removed is asked for by its ID."),
    ({"position": "0"}, "This is no event's number: they begin with 1."),
    ({"position": "-3"}, "This is no event's number: they begin with 1."),
    ({"position": "x"}, "This is no event's number: they begin with 1."),
    ({"position": "99999999"}, "There is no event 99999999 yet; the last one is"),
    ({"position": "9" * 40}, "yet; the last one is"),
    ({"position": "1", "date": "2026-11-24"}, "Give an event or a time, not both: empty the other."),
    ({"time": "10:00"}, "Give a date with the time."),
    ({"date": "yesterday"}, "This is no date and time: write them as 2026-11-24 and 15:00."),
    ({"date": "2026-11-24", "time": "25:00"}, "This is no date and time: write them as 2026-11-24 and 15:00."),
    ({"at": "0001-01-01T00:00:00+14:00"}, "This is no date and time: write them as 2026-11-24 and 15:00."),
    ({"date": "9999-12-31"}, "This is still to come: ask about a time that has passed."),
    ({"date": "2020-01-01"}, "The record had not begun by then. It begins on"),
]


@pytest.mark.parametrize(("wrong", "words"), WRONG)
def test_every_wrong_value_is_told_at_its_field(told: Told, admin: Person, wrong: dict[str, str], words: str) -> None:
    answer = admin.http.get(PAGE, params=told.asked(**wrong))
    assert answer.status_code == 400
    assert text_of(answer).count(words) == 2  # in the summary and at the field
    field = re.search(r'<p class="err" id="([a-z]+)-error">', answer.text)
    assert field is not None
    assert re.search(rf'id="{field[1]}"[^>]* aria-invalid="true"', answer.text)
    refused = admin.http.get(f"{PAGE}/proof", params=told.asked(**wrong))
    assert (refused.status_code, words in text_of(refused)) == (400, True)


def test_a_removed_project_is_asked_for_by_its_id(told: Told, admin: Person) -> None:
    services, account_id = told.site.app.services, told.site.account_id
    gone = manage_projects.add(services, account_id, "Gone", origin=ORIGIN).project_id
    manage_projects.remove(services, account_id, gone, origin=ORIGIN)
    settled(told.site)
    answer = admin.http.get(PAGE, params=told.asked(project=gone))
    assert conditions(answer.text)["The project was there"][0] == "No"


def test_the_answer_comes_as_a_file_that_proves_it(told: Told, admin: Person) -> None:
    page = admin.http.get(PAGE, params=told.asked(project=told.site.projects["Sales"], position=str(told.before + 1))).text
    link = re.search(r'href="(/settings/explain/proof\?[^"]+)" download', page)
    assert link is not None
    settled(told.site)
    with connect(told.site.app.dsn) as connection:
        Sealing(told.site.app.settings, told.site.app.services).term(connection)(connection, lambda: settled(told.site))
        vkey = signer_of(told.site.app.settings, connection).vkeys[0]
    file = admin.http.get(unescape(link[1]))
    assert (file.status_code, file.headers["content-type"], file.headers["grantbook-unproved"]) == (200, "application/zip", "0")
    with zipfile.ZipFile(io.BytesIO(file.content)) as bundle:
        answer: dict[str, Any] = json.loads(bundle.read("answer.json"))
        assert (answer["question"], answer["position"]) == ("explain", told.before + 1)
        cited = {position for line in answer["lines"] for positions in line["because"].values() for position in positions}
        assert told.before + 1 in cited
        for position in cited:
            leaf, proof = bundle.read(f"events/{position}.leaf"), bundle.read(f"events/{position}.tlog-proof").decode()
            assert check_proof(leaf, proof, vkey)[0] == position - 1


def test_rows_sessions_and_members_lead_here(told: Told, admin: Person) -> None:
    session = re.search(r"/settings/sessions/[0-9a-f-]{36}", admin.http.get("/settings/sessions").text)
    assert session is not None
    for path in (f"/settings/replay?position={told.before}", session[0], f"/settings/members/{told.site.people['analyst']}"):
        links = [unescape(link) for link in re.findall(r'href="(/settings/explain\?[^"]+)"', admin.http.get(path).text)]
        assert links, path
        for link in links:
            answer = admin.http.get(link)
            assert (answer.status_code, "Maya Castillo" in text_of(answer)) == (200, True), link
