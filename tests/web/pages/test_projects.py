from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import httpx
import pytest

from application import manage_projects
from domain.account import Account
from tests.support.http_flow import Person, hidden
from tests.web.pages.conftest import ORIGIN, Site, connected, post, settled, signed_in, text_of

PAGE = "/settings/projects"


@pytest.fixture(scope="module")
def admin(site: Site) -> Person:
    return signed_in(site, "admin")


def projects(site: Site) -> dict[str, str]:
    found = site.app.services.store.load(Account, UUID(site.account_id))
    assert found is not None
    return {name: id_ for id_, name in found.projects.items()}


def add(admin: Person, **fields: Any) -> httpx.Response:
    return admin.http.post(PAGE, data={**hidden(admin.http.get(PAGE).text), **fields})


def test_projects_are_listed_with_ids_and_what_reaches_them(fresh_site: Site) -> None:
    site, admin = fresh_site, signed_in(fresh_site, "admin")
    connected(
        site, signed_in(site, "analyst"), "Reporter", "https://reporter.example/cb", scopes=["projects:query"], projects=[site.projects["Sales"]]
    )
    settled(site)
    page = admin.http.get(PAGE)
    rows = {name: re.search(rf">{name}</span></td>.*?</tr>", page.text, re.DOTALL) for name in site.projects}
    assert all(found and site.projects[name] in found[0] for name, found in rows.items())
    people = {name: re.findall(r'data-label="(?:People|Apps)"[^>]*>(?:<a[^>]*>)?(\d+)', found[0]) for name, found in rows.items() if found}
    assert people == {"Sales": ["4", "1"], "Marketing": ["4", "0"], "Finance": ["3", "0"]}


def test_a_project_is_added_and_told(site: Site, admin: Person) -> None:
    answer = add(admin, name="  Support ")
    assert answer.status_code == 303
    page = admin.http.get(answer.headers["location"])
    assert "Added Support." in text_of(page)
    assert projects(site)["Support"] in page.text
    settled(site)
    assert "Priya Raman added project Support." in text_of(admin.http.get(PAGE))


@pytest.mark.parametrize(
    ("name", "words"), [("", "has 1 to 100 characters"), ("Sales", "There is a project 'Sales' already."), ("x" * 101, "has 1 to 100 characters")]
)
def test_a_name_that_can_not_be_is_said_at_the_field(site: Site, admin: Person, name: str, words: str) -> None:
    answer = add(admin, name=name)
    assert answer.status_code == 400
    assert words in text_of(answer)
    assert 'id="name-error"' in answer.text
    assert not name or f'value="{name}"' in answer.text


def test_a_project_is_renamed_under_the_same_id(site: Site, admin: Person) -> None:
    made = manage_projects.add(site.app.services, site.account_id, "Before", origin=ORIGIN)
    path = f"{PAGE}/{made.project_id}/rename"
    answer = post(admin, path, name="Afterwards")
    assert "Before is called Afterwards now. Its ID stays the same." in text_of(admin.http.get(answer.headers["location"]))
    assert projects(site)["Afterwards"] == made.project_id
    assert "Nothing was changed." in text_of(admin.http.get(post(admin, path, name="Afterwards").headers["location"]))
    wrong = post(admin, path, name="Sales")
    assert wrong.status_code == 400
    assert 'value="Sales"' in wrong.text
    assert admin.http.get(f"{PAGE}/prj_none/rename").status_code == 404


def test_removing_a_project_says_what_ends_and_narrows_and_then_does_it(fresh_site: Site) -> None:
    site, admin, analyst = fresh_site, signed_in(fresh_site, "admin"), signed_in(fresh_site, "analyst")
    sales = site.projects["Sales"]
    only, ended = connected(site, analyst, "Only Sales", "https://only.example/cb", scopes=["projects:query"], projects=[sales])
    both, kept = connected(site, analyst, "Two Projects", "https://two.example/cb", scopes=["projects:query", "catalog:read"])
    settled(site)
    question = text_of(admin.http.get(f"{PAGE}/{sales}/remove"))
    assert "Remove Sales?" in question
    assert "1 session ends now: Only Sales." in question
    assert "1 session narrows now, of Two Projects: without projects:query and catalog:read in some projects." in question
    assert "4 people and 2 apps reach it no more" in question
    assert "Remove, end 1 and narrow 1 session" in question
    answer = post(admin, f"{PAGE}/{sales}/remove")
    assert "Removed Sales. 1 session ended and 1 session narrowed. Event" in text_of(admin.http.get(answer.headers["location"]))
    assert only.refresh(ended["refresh_token"]).json()["error"] == "invalid_grant"
    assert both.refresh(kept["refresh_token"]).status_code == 200
    assert admin.http.get(f"{PAGE}/{sales}/remove").status_code == 404
    for name in ("Marketing", "Finance"):
        post(admin, f"{PAGE}/{site.projects[name]}/remove")
    assert "There is no project yet, so apps can reach account details only. Add the first one." in text_of(admin.http.get(PAGE))


def test_a_viewer_sees_projects_without_buttons(site: Site) -> None:
    viewer = signed_in(site, "viewer")
    page = viewer.http.get(PAGE)
    assert page.status_code == 200
    assert page.text.count('method="post"') == 1
    assert "Rename" not in page.text
