from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.http_flow import App, Person, hidden
from tests.web.pages.conftest import PASSWORD, Site, signed_in, text_of
from web.pages import context
from web.pages.session import local_path


def form_of(site: Site, path: str = "/sign-in") -> tuple[Person, dict[str, str]]:
    stranger = Person(site.base_url, "", "")
    return stranger, hidden(stranger.http.get(path).text)


def test_the_right_password_opens_a_session_and_leads_to_the_own_start_page(site: Site) -> None:
    admin = Person(site.base_url, site.email("admin"), PASSWORD).sign_in("")
    assert (admin.status_code, admin.headers["location"]) == (303, "/settings")
    member = Person(site.base_url, site.email("member"), PASSWORD).sign_in("")
    assert member.headers["location"] == "/connected-apps"


def test_a_wrong_pair_and_an_unknown_person_get_the_same_words_and_keep_the_email(site: Site) -> None:
    answers = []
    for email in (site.email("admin"), "nobody@elsewhere.example"):
        stranger, form = form_of(site)
        answer = stranger.http.post("/sign-in", data={**form, "email": email, "password": "not the password"})
        assert answer.status_code == 401
        assert f'value="{email}"' in answer.text
        assert "Email or password is not right." in answer.text
        assert 'role="alert" tabindex="-1" autofocus' in answer.text
        answers.append(text_of(answer))
    assert answers[0] == answers[1]


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(site: Site) -> None:
    person = Person(site.base_url, site.email("admin"), PASSWORD)
    cookies = person.sign_in().headers.get_list("set-cookie")
    session = next(cookie for cookie in cookies if cookie.startswith("gb_session="))
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in session.split(";")}


def test_signing_out_ends_the_session_on_the_server(site: Site) -> None:
    person = signed_in(site, "member")
    kept = dict(person.http.cookies)
    page = person.http.get("/sign-out")
    assert "Sign out?" in page.text
    answer = person.http.post("/sign-out", data=hidden(page.text))
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    thief = Person(site.base_url, "", "")
    thief.http.cookies.update(kept)
    assert thief.http.get("/connected-apps").status_code == 303


def test_the_page_names_the_app_that_waits(site: Site) -> None:
    app = App(site.base_url, "Claude <Code>")
    app.register()
    stranger = Person(site.base_url, "", "")
    url, _ = app.authorize_url()
    consent = stranger.http.get(url).headers["location"]
    page = stranger.http.get(stranger.http.get(consent).headers["location"])
    assert "Claude &lt;Code&gt;</bdi></strong> asked to connect." in page.text


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example/", "/\\evil.example", "/a\\..\\b", "javascript:alert(1)", "/a\nb", "/" + "x" * 3000]
)
def test_signing_in_never_leads_to_another_site(site: Site, wanted: str) -> None:
    assert local_path(wanted) == ""
    answer = Person(site.base_url, site.email("member"), PASSWORD).sign_in(wanted)
    assert answer.headers["location"] == "/connected-apps"


def test_an_old_form_signs_nobody_in(site: Site) -> None:
    stranger, form = form_of(site)
    answer = stranger.http.post("/sign-in", data={**form, "csrf_token": "old", "email": site.email("admin"), "password": PASSWORD})
    assert answer.status_code == 400
    assert "This page is out of date, nothing was changed." in answer.text
    assert "gb_session" not in stranger.http.cookies


def test_odd_input_is_a_refusal_and_never_a_failure(site: Site) -> None:
    for email, password in (("", ""), ("\x00", "\x00"), ("a" * 5000, "b" * 5000), ("ä@ö.example", "\U0001f600" * 40)):
        stranger, form = form_of(site)
        answer = stranger.http.post("/sign-in", data={**form, "email": email, "password": password})
        assert answer.status_code in (400, 401), answer.status_code
        assert "gb_session" not in stranger.http.cookies
    stranger = Person(site.base_url, "", "")
    for cookie in ("", "x", "\xff" * 10, "a" * 5000):
        answer = stranger.http.get("/connected-apps", headers={b"Cookie": f"gb_session={cookie}".encode("latin-1")})
        assert answer.status_code == 303


def test_too_many_tries_say_when_it_opens_again(site: Site) -> None:
    services = replace(site.app.services, limits=replace(site.app.services.limits, sign_ins_per_login=2, loopback_factor=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context, "services", lambda: services)
        for _ in range(3):
            stranger, form = form_of(site)
            answer = stranger.http.post("/sign-in", data={**form, "email": "guessed@jaffle.example", "password": "wrong"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "Too many tries. Signing in opens again in" in answer.text


def test_a_browser_that_signed_in_before_is_known_and_shares_nothing_with_scripts(site: Site) -> None:
    admin = Person(site.base_url, site.email("admin"), PASSWORD)
    kept = next(cookie for cookie in admin.sign_in().headers.get_list("set-cookie") if cookie.startswith("gb_known="))
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in kept.split(";")}
    services = replace(site.app.services, limits=replace(site.app.services.limits, sign_ins_per_login=1, loopback_factor=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context, "services", lambda: services)
        for _ in range(3):
            stranger, form = form_of(site)
            stranger.http.post("/sign-in", data={**form, "email": site.email("admin"), "password": "wrong"})
        assert Person(site.base_url, site.email("admin"), PASSWORD).sign_in().status_code == 429
        admin.http.post("/sign-out", data=hidden(admin.http.get("/sign-out").text))
        assert admin.sign_in().status_code == 303
        assert admin.http.cookies["gb_known"].count("/") == 1
