"""The walk through all pages, over plain HTTP: connect an app, look at it as an admin, end it, and read what was recorded."""

from __future__ import annotations

from tests.support.http_flow import App, Person
from tests.web.pages.conftest import PASSWORD, Site


def person(site: Site, who: str) -> Person:
    found = Person(site.base_url, site.email(who), PASSWORD)
    answer = found.sign_in()
    assert answer.status_code == 303, answer.text
    return found


def test_the_walk(site: Site) -> None:
    analyst, admin = person(site, "analyst"), person(site, "admin")
    app = App(site.base_url, "Claude Code", redirect_uri="http://localhost:3118/callback")
    app.register()
    tokens = app.session(analyst, scopes=["account:read", "projects:query"], projects=[site.projects["Sales"]])
    print(tokens)
