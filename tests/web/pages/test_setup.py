from __future__ import annotations

from application.open_account import make_setup_link
from tests.support.http_flow import Person, hidden
from tests.web.pages.conftest import PASSWORD, Site, text_of

FORM = {"account_name": "Jaffle Analytics", "account": "jaffle", "name": "Priya Raman", "email": "admin@jaffle.example", "password": PASSWORD}


def test_the_one_time_link_opens_the_account_and_signs_its_admin_in(empty_site: Site) -> None:
    stranger = Person(empty_site.base_url, "", "")
    assert "Nothing is set up here yet." in stranger.http.get("/sign-in").text
    assert stranger.http.get("/setup", params={"token": "guess"}).status_code == 404
    token = make_setup_link(empty_site.app.services)
    page = stranger.http.get("/setup", params={"token": token})
    assert page.status_code == 200
    form = {**hidden(page.text), **FORM}
    for name, words in (("password", "A password needs at least 12 characters"), ("email", "email"), ("account", "short name"), ("name", "name")):
        wrong = stranger.http.post("/setup", data={**form, name: "x y" if name == "account" else "short" if name == "password" else ""})
        assert wrong.status_code == 400, name
        assert words in text_of(wrong), name
        assert "Jaffle Analytics" in wrong.text
    assert stranger.http.post("/setup", data={**form, "csrf_token": "x"}).status_code == 400
    opened = stranger.http.post("/setup", data=form)
    assert (opened.status_code, opened.headers["location"]) == (303, "/settings/integrations")
    assert "App integrations" in stranger.http.get("/settings/integrations").text
    assert stranger.http.get("/setup", params={"token": token}).status_code == 404
    second = stranger.http.post("/setup", data={**form, "account": "other"})
    assert second.status_code in (400, 404)
    assert Person(empty_site.base_url, "admin@jaffle.example", PASSWORD).sign_in().status_code == 303
