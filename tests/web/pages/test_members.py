from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest

from application import manage_members
from domain.member import Member
from projections.audit_log.queries import entries_about
from tests.support.http_flow import Person, hidden
from tests.web.pages.conftest import ORIGIN, PASSWORD, Site, connected, post, settled, signed_in, text_of
from web.pages import session as browser_session


@pytest.fixture(scope="module")
def admin(site: Site) -> Person:
    return signed_in(site, "admin")


_numbers = iter(range(1, 10_000))


def newcomer(site: Site, role: str = "Developer", name: str = "", projects: Any = ()) -> tuple[str, Person]:
    """A member of one's own, signed in."""
    number = next(_numbers)
    email = f"new{number}@jaffle.example"
    added = manage_members.add_member(
        site.app.services, site.account_id, email=email, name=name or f"New {number}", role=role, projects=projects, password=PASSWORD, origin=ORIGIN
    )
    person = Person(site.base_url, email, PASSWORD)
    assert person.sign_in().status_code == 303
    return str(added.member_id), person


def state(site: Site, member_id: str) -> Member:
    found = site.app.services.store.load(Member, UUID(member_id))
    assert found is not None
    return found


def page_of(admin: Person, member_id: str) -> str:
    return text_of(admin.http.get(f"/settings/members/{member_id}"))


def send(admin: Person, member_id: str, path: str, **fields: Any) -> httpx.Response:
    token = hidden(admin.http.get(f"/settings/members/{member_id}").text)["csrf_token"]
    return admin.http.post(f"/settings/members/{member_id}/{path}", data={"csrf_token": token, **fields})


def confirmed(admin: Person, answer: httpx.Response) -> tuple[str, httpx.Response]:
    """The question that a form led to, in words, and the answer to its button."""
    assert answer.status_code == 303, answer.text
    question = admin.http.get(answer.headers["location"])
    assert question.status_code == 200, question.text
    form = re.search(r'<form class="panel confirm-page".*?</form>', question.text, re.DOTALL)
    assert form is not None
    pairs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form[0])
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    path = re.search(r'action="([^"]*)"', form[0])
    assert path is not None
    return text_of(question), admin.http.post(path[1], data=fields)


# ---- the list


def test_people_are_listed_with_role_place_what_is_beyond_it_and_their_apps(site: Site, admin: Person) -> None:
    who, person = newcomer(site, "Analyst", "Lina Beyond", [site.projects["Sales"], site.projects["Marketing"]])
    manage_members.permit(site.app.services, site.account_id, UUID(who), "jobs.run", projects=["Sales"], origin=ORIGIN)
    manage_members.forbid(site.app.services, site.account_id, UUID(who), "catalog.read", projects=["Sales"], origin=ORIGIN)
    connected(site, person, "Lina's Tool", "https://lina.example/cb", scopes=["projects:query"])
    settled(site)
    words = text_of(admin.http.get("/settings/members?q=BEYOND"))
    assert "1 person" in words
    for expected in (
        "Lina Beyond",
        "Analyst",
        "Sales and Marketing",
        "+ jobs.run in Sales",
        "\N{MINUS SIGN} catalog.read in Sales",
        "Lina's Tool",
        "Password",
    ):
        assert expected in words


def test_the_list_is_filtered_by_role_status_and_text_and_says_when_nothing_fits(site: Site, admin: Person) -> None:
    who, _ = newcomer(site, "Member", "Gone Fishing")
    manage_members.deactivate(site.app.services, site.account_id, UUID(who), origin=ORIGIN)
    settled(site)
    for query, there in (
        ("q=fishing", True), ("q=fishing&status=deactivated", True), ("q=fishing&status=active", False), ("q=fishing&role=Analyst", False),
        ("q=fishing&role=Member", True), ("q=%25", False), ("q=fishing&status=nonsense", True), ("q=fishing&role=nonsense", False),
    ):  # fmt: skip
        words = text_of(admin.http.get(f"/settings/members?{query}"))
        assert ("Gone Fishing" in words) is there, query
        assert ("No members match. Clear filters" in words) is not there, query
    assert admin.http.get("/settings/members?q=%00").status_code == 400


def test_many_people_come_in_pages_by_name(fresh_site: Site) -> None:
    site, admin = fresh_site, signed_in(fresh_site, "admin")
    for number in range(60):
        email, name = f"p{number}@jaffle.example", f"Person {number:02}"
        manage_members.add_member(site.app.services, site.account_id, email=email, name=name, role="Member", origin=ORIGIN)
    settled(site)
    first = admin.http.get("/settings/members?q=person").text
    shown = re.findall(r">(Person \d\d)</a>", first)
    older = re.search(r'href="([^"]*after=[^"]*)"', first)
    assert older is not None
    assert "before=" not in first
    second = admin.http.get(older[1].replace("&amp;", "&")).text
    rest = re.findall(r">(Person \d\d)</a>", second)
    assert shown + rest == [f"Person {number:02}" for number in range(60)]
    newer = re.search(r'href="([^"]*before=[^"]*)"', second)
    assert newer is not None
    assert re.findall(r">(Person \d\d)</a>", admin.http.get(newer[1].replace("&amp;", "&")).text) == shown
    assert "No members match." in admin.http.get("/settings/members?after=nobody").text


# ---- adding


def test_a_member_is_added_with_a_password_that_is_shown_once_and_works(site: Site, admin: Person) -> None:
    fields = {
        "name": "Nora New",
        "email": "Nora@Jaffle.example",
        "role": "Analyst",
        "project_access": "selected",
        "project_id": site.projects["Sales"],
    }
    answer = post(admin, "/settings/members/new", sign_in="password", **fields)
    assert answer.status_code == 303
    assert "password" not in answer.headers.get("set-cookie", "").lower()
    page = admin.http.get(answer.headers["location"])
    words = text_of(page)
    assert "Added Nora New." in words
    assert re.search(r"Event \d+", words)
    shown = re.search(r'id="new-password" readonly value="([^"]+)"', page.text)
    assert shown is not None
    assert shown[1] not in admin.http.get(answer.headers["location"]).text
    assert Person(site.base_url, "nora@jaffle.example", shown[1]).sign_in().status_code == 303
    member_id = answer.headers["location"].rsplit("/", 1)[1]
    assert state(site, member_id).holds("metrics.query", site.projects["Sales"])
    assert not state(site, member_id).holds("metrics.query", site.projects["Finance"])


def test_a_password_shown_once_is_not_readable_in_the_cookie(site: Site, admin: Person) -> None:
    who, _ = newcomer(site)
    answer = send(admin, who, "password")
    cookie = admin.http.cookies.get("gb_form") or ""
    page = admin.http.get(answer.headers["location"]).text
    shown = re.search(r'id="new-password" readonly value="([^"]+)"', page)
    assert shown is not None
    assert cookie
    assert shown[1] not in cookie
    assert "This password is shown once." not in text_of(admin.http.get(answer.headers["location"]))


def test_somebody_may_be_added_without_a_password(site: Site, admin: Person) -> None:
    answer = post(admin, "/settings/members/new", name="Sso Only", email="sso.only@jaffle.example", role="Member", sign_in="none")
    page = admin.http.get(answer.headers["location"])
    assert "This password is shown once." not in page.text
    assert "Signs in with Not yet" in text_of(page)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": " "}, "name", "has 1 to 200 characters"), ({"email": "nobody"}, "email", "e-mail"), ({"role": "King"}, "role", "There is no role"),
        ({"email": "admin@jaffle.example"}, "email", "There is a member admin@jaffle.example already."),
        ({"project_access": "selected"}, "project_id", "Choose at least one project."),
        ({"project_access": "selected", "project_id": "prj_none"}, "project_id", "There is no project"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_said_at_its_field_and_what_was_typed_stays(
    site: Site, admin: Person, changes: dict[str, str], field: str, words: str
) -> None:
    fields = {"name": "Kept Name", "email": "kept@jaffle.example", "role": "Job Operator", "sign_in": "none", **changes}
    answer = post(admin, "/settings/members/new", **fields)
    assert answer.status_code == 400
    assert words in text_of(answer)
    assert f'id="{field}-error"' in answer.text
    assert field == "name" or 'value="Kept Name"' in answer.text
    assert field == "role" or '<option value="Job Operator" selected>' in answer.text
    assert re.search(r'value="none" checked', answer.text)


def test_a_stale_form_adds_nobody(site: Site, admin: Person) -> None:
    answer = admin.http.post("/settings/members/new", data={"name": "Stale One", "email": "stale@jaffle.example", "role": "Member"})
    assert answer.status_code == 400
    assert "This page is out of date, nothing was changed." in text_of(answer)
    assert 'value="Stale One"' in answer.text


# ---- the role


def test_a_role_that_only_adds_is_changed_at_once(site: Site, admin: Person) -> None:
    who, _ = newcomer(site, "Analyst", "Up One")
    answer = send(admin, who, "role", role="Job Operator", project_access="all")
    assert answer.headers["location"] == f"/settings/members/{who}"
    words = page_of(admin, who)
    assert "Up One is Job Operator now. Event" in words
    assert state(site, who).holds("jobs.run")
    assert "Nothing was changed." in text_of(admin.http.get(send(admin, who, "role", role="Job Operator", project_access="all").headers["location"]))


def test_a_lesser_role_asks_first_and_counts_the_sessions_that_narrow_and_end(site: Site, admin: Person) -> None:
    who, person = newcomer(site, "Job Operator", "Down Two")
    narrowed = connected(site, person, "Narrowed App", "https://narrowed.example/cb", scopes=["projects:query", "jobs:run"])
    ended = connected(site, person, "Ended App", "https://ended.example/cb", scopes=["jobs:run"])
    settled(site)
    answer = send(admin, who, "role", role="Analyst", project_access="all")
    assert state(site, who).role == "Job Operator"
    question, done = confirmed(admin, answer)
    assert "Change the role of Down Two to Analyst?" in question
    assert "Loses: project.develop everywhere; jobs.run everywhere." in question
    assert "1 session ends now: Ended App." in question
    assert "1 session narrows now, of Narrowed App: without jobs:run." in question
    assert "Change role, end 1 and narrow 1 session" in question
    assert "Down Two is Analyst now. 1 session ended and 1 session narrowed. Event" in text_of(admin.http.get(done.headers["location"]))
    assert state(site, who).role == "Analyst"
    app, tokens = narrowed
    assert "jobs:run" not in app.refresh(tokens["refresh_token"]).json()["scope"]
    app, tokens = ended
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_role_for_chosen_projects_keeps_them_through_the_question(site: Site, admin: Person) -> None:
    who, _ = newcomer(site, "Developer")
    wanted = [site.projects["Sales"], site.projects["Finance"]]
    answer = send(admin, who, "role", role="Developer", project_access="selected", project_id=wanted)
    assert parse_qs(urlsplit(answer.headers["location"]).query)["project_id"] == wanted
    question, _ = confirmed(admin, answer)
    assert "Loses: metrics.query in Marketing; catalog.read in Marketing; project.develop in Marketing." in question
    assert state(site, who).extent("metrics.query").within(site.projects.values()) == frozenset(wanted)
    page = admin.http.get(f"/settings/members/{who}").text
    assert len(re.findall(r'name="project_id" value="prj_[0-9a-f]+" checked', page)) == 2


def test_a_wrong_role_or_place_is_said_on_the_page_of_the_person(site: Site, admin: Person) -> None:
    who, _ = newcomer(site)
    for fields, words in (
        ({"role": "King"}, "There is no role"), ({"role": "Analyst", "project_access": "selected"}, "Choose at least one project."),
    ):  # fmt: skip
        answer = send(admin, who, "role", **fields)
        assert answer.status_code == 400
        assert words in text_of(answer)
    assert admin.http.get(f"/settings/members/{who}/role").status_code == 303
    assert admin.http.get(f"/settings/members/{who}/role?role=King").status_code == 400


# ---- single permissions


def test_a_permission_is_permitted_in_chosen_projects(site: Site, admin: Person) -> None:
    who, _ = newcomer(site, "Analyst", "Per Mitted")
    page = admin.http.get(f"/settings/members/{who}/permissions/jobs.run")
    assert "Per Mitted does not hold it." in text_of(page)
    answer = send(admin, who, "permissions/jobs.run", project_access="selected", project_id=site.projects["Sales"])
    assert answer.status_code == 303
    words = page_of(admin, who)
    assert "Per Mitted holds jobs.run in Sales. It counts for apps that they allow from now on. Event" in words
    assert "Beside the role" in words
    assert "Priya Raman gave jobs.run in Sales to Per Mitted." in words
    assert "holds it in Sales, beside the role." in text_of(admin.http.get(f"/settings/members/{who}/permissions/jobs.run"))


def test_taking_a_permission_away_asks_with_what_narrows_and_ends(site: Site, admin: Person) -> None:
    who, person = newcomer(site, "Developer", "Tak En")
    app, tokens = connected(site, person, "Querier", "https://querier.example/cb", scopes=["projects:query"])
    connected(site, person, "Reader", "https://reader.example/cb", scopes=["projects:query", "catalog:read"])
    settled(site)
    partly, _ = confirmed(admin, send(admin, who, "permissions/metrics.query/forbid", project_access="selected", project_id=site.projects["Sales"]))
    assert "Take metrics.query away from Tak En in Sales?" in partly
    assert "2 sessions narrow now, of Reader and Querier: without projects:query in some projects." in partly or (
        "2 sessions narrow now, of Querier and Reader: without projects:query in some projects." in partly
    )
    assert "Take away and narrow 2 sessions" in partly
    assert app.refresh(tokens["refresh_token"]).status_code == 200
    question, done = confirmed(admin, send(admin, who, "permissions/metrics.query/forbid", project_access="all"))
    assert "1 session ends now: Querier." in question
    assert "1 session narrows now, of Reader: without projects:query." in question
    assert "Take away, end 1 and narrow 1 session" in question
    assert "Took metrics.query away from Tak En in all projects. 1 session ended and 1 session narrowed." in text_of(
        admin.http.get(done.headers["location"])
    )
    again, done = confirmed(admin, send(admin, who, "permissions/metrics.query/forbid", project_access="all"))
    assert "No live session is touched by it." in again
    assert "Nothing was changed." in text_of(admin.http.get(done.headers["location"]))


def test_a_permission_form_without_a_project_says_so_where_it_stands(site: Site, admin: Person) -> None:
    who, _ = newcomer(site, "Developer")
    for deed in ("permit", "forbid"):
        name = "jobs.run" if deed == "permit" else "metrics.query"
        answer = send(admin, who, f"permissions/{name}{'/forbid' if deed == 'forbid' else ''}", project_access="selected")
        assert answer.status_code == 400
        assert f'id="{deed}-project_id-error"' in answer.text
        assert "Choose at least one project." in answer.text
    assert admin.http.get(f"/settings/members/{who}/permissions/fly").status_code == 404


# ---- deactivating and back


def test_deactivating_ends_what_it_said_and_reactivating_brings_no_session_back(site: Site, admin: Person) -> None:
    who, person = newcomer(site, "Developer", "Gone Tomorrow")
    app, tokens = connected(site, person, "Last App", "https://last.example/cb")
    settled(site)
    question = text_of(admin.http.get(f"/settings/members/{who}/deactivate"))
    assert "Deactivate Gone Tomorrow?" in question
    assert "1 session ends now: Last App." in question
    assert "1 sign-in ends, and nobody can sign in as Gone Tomorrow." in question
    assert "Deactivate and end 1 session" in question
    popover = admin.http.get(f"/settings/members/{who}").text
    assert 'id="deactivate" popover' in popover
    answer = post(admin, f"/settings/members/{who}/deactivate", reason="Left the company")
    words = text_of(admin.http.get(answer.headers["location"]))
    assert "Deactivated Gone Tomorrow. 1 session ended. Event" in words
    settled(site)
    words = page_of(admin, who)
    assert "Deactivated by Priya Raman on" in words
    assert "Left the company" in words
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert person.http.get("/connected-apps").status_code == 303
    back = post(admin, f"/settings/members/{who}/reactivate")
    assert "Reactivated Gone Tomorrow. What ended stays ended." in text_of(admin.http.get(back.headers["location"]))
    assert person.sign_in().status_code == 303
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_the_reason_of_a_deactivation_is_sealed_under_the_person_deactivated(site: Site, admin: Person) -> None:
    who, _ = newcomer(site)
    post(admin, f"/settings/members/{who}/deactivate", reason="A secret about them")
    with site.app.views() as conn:
        row = conn.execute(
            "SELECT convert_from(state, 'UTF8') FROM events WHERE originator_id = %s AND topic = 'member.deactivated'", (who,)
        ).fetchone()
    assert row is not None
    assert f'"reason":{{"sub":"{who}"' in row[0]
    assert "A secret about them" not in row[0]


def test_the_only_admin_is_told_so_and_keeps_what_makes_one(fresh_site: Site) -> None:
    site, admin = fresh_site, signed_in(fresh_site, "admin")
    who = site.people["admin"]
    settled(site)
    page = admin.http.get(f"/settings/members/{who}")
    assert "Priya Raman is the only account admin" in text_of(page)
    assert 'id="deactivate"' not in page.text
    assert admin.http.get(f"/settings/members/{who}/deactivate").status_code == 400
    manage = admin.http.get(f"/settings/members/{who}/permissions/account.manage")
    assert "Priya Raman is the only account admin" in text_of(manage)
    assert "Take away</button>" not in manage.text
    answer = send(admin, who, "role", role="Analyst", project_access="all")
    assert answer.status_code == 400
    assert "This person is the only account admin; make somebody else one first." in text_of(answer)
    forbidden = send(admin, who, "permissions/account.manage/forbid", project_access="all", confirmed="yes")
    assert "only account admin" in text_of(forbidden)
    assert state(site, who).holds("account.manage")


# ---- sign-ins, sessions, passwords


def test_sign_ins_are_ended_by_an_admin_and_told_in_the_history(site: Site, admin: Person) -> None:
    who, person = newcomer(site, name="Signed Twice")
    assert Person(site.base_url, person.email, PASSWORD).sign_in().status_code == 303
    assert "End 2 sign-ins of Signed Twice?" in text_of(admin.http.get(f"/settings/members/{who}/end-sign-ins"))
    answer = post(admin, f"/settings/members/{who}/end-sign-ins")
    assert "Ended 2 sign-ins of Signed Twice." in text_of(admin.http.get(answer.headers["location"]))
    assert person.http.get("/connected-apps").status_code == 303
    settled(site)
    assert "Priya Raman ended a sign-in of Signed Twice." in page_of(admin, who)
    again = post(admin, f"/settings/members/{who}/end-sign-ins")
    assert "Nothing was changed." in text_of(admin.http.get(again.headers["location"]))


def test_all_sessions_of_a_person_are_revoked_and_no_others(site: Site, admin: Person) -> None:
    who, person = newcomer(site, name="Revo Ked")
    _, other = newcomer(site)
    app, one = connected(site, person, "Shared Tool", "https://shared.example/cb")
    two, kept = app.session(person), app.session(other)
    settled(site)
    assert "Revoke 2 sessions of Revo Ked?" in text_of(admin.http.get(f"/settings/members/{who}/revoke-sessions"))
    answer = post(admin, f"/settings/members/{who}/revoke-sessions", reason="Lost laptop")
    assert "Revoked 2 sessions of Revo Ked." in text_of(admin.http.get(answer.headers["location"]))
    for tokens in (one, two):
        assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert app.refresh(kept["refresh_token"]).status_code == 200
    assert person.http.get("/connected-apps").status_code == 200


def test_a_password_is_replaced_and_shown_once(site: Site, admin: Person) -> None:
    who, person = newcomer(site, name="Pass Word")
    assert "Replace the password of Pass Word?" in text_of(admin.http.get(f"/settings/members/{who}/password"))
    answer = send(admin, who, "password")
    page = admin.http.get(answer.headers["location"]).text
    shown = re.search(r'id="new-password" readonly value="([^"]+)"', page)
    assert shown is not None
    assert person.http.get("/connected-apps").status_code == 303
    assert Person(site.base_url, person.email, shown[1]).sign_in().status_code == 303
    manage_members.deactivate(site.app.services, site.account_id, UUID(who), origin=ORIGIN)
    assert send(admin, who, "password").status_code == 400


# ---- who sees what, and what is said of a person


def test_a_viewer_sees_a_person_without_any_button(site: Site, admin: Person) -> None:
    who, _ = newcomer(site, name="Seen By All")
    settled(site)
    viewer = signed_in(site, "viewer")
    for path in ("/settings/members", f"/settings/members/{who}"):
        page = viewer.http.get(path)
        assert page.status_code == 200
        assert page.text.count('method="post"') == 1, path  # signing out
        assert not re.search(r">(Change|Add a member)<", page.text), path
    assert viewer.http.get(f"/settings/members/{who}/permissions/jobs.run").status_code == 403


def test_a_directory_and_a_provider_are_marked(site: Site, admin: Person) -> None:
    who, _ = newcomer(site, name="Di Rectory")
    tables, now = site.app.services.store.tables(), site.app.services.clock()
    tables.put_directory_user(site.account_id, who, user_name_key=who.encode(), external_id_key=None, profile={}, now=now)
    tables.add_login(site.account_id, "sso", "https://idp.example", who.encode(), who, None)
    settled(site)
    listed = text_of(admin.http.get("/settings/members?q=rectory"))
    assert "Di Rectory SSO Directory" in listed
    assert "Password and SSO" in listed
    assert "The directory looks after this person" in page_of(admin, who)


def test_the_history_tells_what_was_done_to_somebody_not_what_they_did(site: Site, admin: Person) -> None:
    who, _ = newcomer(site, name="His Tory")
    other, _ = newcomer(site)
    actor: dict[str, Any] = {"actor_id": who, "origin": ORIGIN}
    manage_members.permit(site.app.services, site.account_id, UUID(other), "jobs.run", **actor)
    manage_members.forbid(site.app.services, site.account_id, UUID(who), "project.develop", **actor)
    settled(site)
    words = page_of(admin, who)
    assert "took project.develop in all projects from themselves" in words
    assert "jobs.run in all projects to" not in words
    with site.app.views() as conn:
        assert len(entries_about(conn, site.account_id, other, ("permission.added",))) == 1


@pytest.mark.parametrize("member_id", ["none", "00000000-0000-0000-0000-000000000000", "%00", "x" * 300])
def test_a_person_who_is_not_there_is_a_page_that_says_so(site: Site, admin: Person, member_id: str) -> None:
    for path in ("", "/deactivate", "/permissions/jobs.run", "/role?role=Member"):
        assert admin.http.get(f"/settings/members/{member_id}{path}").status_code in (400, 404), path


def test_deeds_need_a_sign_in_of_the_last_hour(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    who, _ = newcomer(site)
    admin = signed_in(site, "admin")
    page = hidden(admin.http.get(f"/settings/members/{who}").text)
    monkeypatch.setattr(browser_session, "FRESH", timedelta(0))
    for path in ("role", "deactivate", "end-sign-ins", "revoke-sessions", "password", "permissions/jobs.run", "permissions/jobs.run/forbid"):
        answer = admin.http.post(f"/settings/members/{who}/{path}", data=page)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/sign-in?"), path
    assert state(site, who).active
