"""Every page that the URL map holds, as every role, in a browser: found by walking from link to link, so that new pages are here by themselves."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.checks import Walker
from tests.browser.scene import FOR_ALL, NOT_PAGES, ROLES, Scene
from tests.support.http_flow import Person

pytestmark = [pytest.mark.browser, pytest.mark.node]
WRONG = ("/nothing-here", "/settings/sso/nothing-here", "/settings/audit/99999999")


def signed_in(browser: Browser, scene: Scene, role: str, *, scripts: bool = True) -> Walker:
    walker = Walker(browser, scripts=scripts)
    walker.sign_in(scene.demo.base_url, scene.demo.user(role))
    return walker


def told(walker: Walker) -> None:
    walker.close()
    assert walker.problems == [], "\n".join(["", *walker.problems])


def test_links_lead_to_every_page_there_is(scene: Scene) -> None:
    assert scene.missing == {}


@pytest.mark.parametrize(("role", "share"), [("admin", 0), ("admin", 1), ("viewer", 0), ("developer", 0)])
def test_no_page_of_a_role_is_wrong(browser: Browser, scene: Scene, role: str, share: int) -> None:
    walker = signed_in(browser, scene, role)
    pages = scene.pages(role)
    walker.look_at_all(scene.demo.base_url, pages[share::2] if role == "admin" else [*pages, *WRONG])
    told(walker)


def test_no_page_for_somebody_signed_out_is_wrong(browser: Browser, scene: Scene) -> None:
    walker = Walker(browser)
    walker.look_at_all(scene.demo.base_url, (*FOR_ALL, *WRONG))
    told(walker)


@pytest.mark.parametrize("role", ["admin", "developer"])
def test_no_page_needs_a_script(browser: Browser, scene: Scene, role: str) -> None:
    """That links alone lead everywhere is how the pages were found; here they also look right, and what needs a script stays hidden."""
    walker = signed_in(browser, scene, role, scripts=False)
    walker.glance_at_all(scene.demo.base_url, scene.pages(role))
    told(walker)


def test_a_button_that_needs_a_script_is_hidden_without(browser: Browser, scene: Scene) -> None:
    walker = signed_in(browser, scene, "admin", scripts=False)
    walker.page.goto(f"{scene.demo.base_url}/settings/access-urls")
    assert walker.page.locator("[data-copy]").count() > 0
    assert walker.page.locator("[data-copy]:visible").count() == 0
    walker.close()


@pytest.mark.parametrize("role", ROLES[1:])
def test_a_page_of_others_says_whose_it_is(browser: Browser, scene: Scene, role: str) -> None:
    """What an admin can open, somebody else can open too, or is told who can: never an error of ours, never a blank page."""
    person, refused = scene.person(role), []
    for url in scene.pages("admin"):
        answer = person.http.get(url)
        assert answer.status_code in (200, 303, 400, 403, 404), (url, answer.status_code)
        if answer.status_code == 403:
            assert "Only account admins" in answer.text, url
            refused.append(url)
    walker = signed_in(browser, scene, role)
    walker.look_at_all(scene.demo.base_url, refused[:2])
    told(walker)


def test_somebody_signed_out_is_asked_to_sign_in_and_gets_where_they_wanted(scene: Scene) -> None:
    stranger = Person(scene.demo.base_url, *scene.demo.user("admin"))
    open_to_all = {"sign_in", "setup", "sso"}
    for endpoint, urls in scene.urls["admin"].items():
        if (endpoint.partition(".")[0] not in open_to_all and endpoint not in NOT_PAGES) or endpoint == "sign_in.ask_to_sign_out":
            answer = stranger.http.get(urls[0])
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), urls[0]
    wanted = next(url for url in scene.pages("admin") if url.startswith("/settings/audit"))
    assert stranger.sign_in(wanted).headers["location"] == wanted
