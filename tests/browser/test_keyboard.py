"""The deeds that matter, by Tab, Enter, Space and Escape alone: the focus is seen at every step, and comes back where it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.checks import focused, tab_to
from tests.browser.scene import REMOTE, Scene, connected, registered
from tests.support.demo import Demo

pytestmark = [pytest.mark.browser]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()


def sign_in(page: Page, demo: Demo, who: str, path: str) -> None:
    """Without a mouse, from the top of the page."""
    email, password = demo.user(who)
    page.goto(demo.base_url + path)
    for selector, text in (("#email", email), ("#password", password)):
        if not focused(page.locator(selector)):
            tab_to(page, page.locator(selector))
        page.keyboard.type(text)
    tab_to(page, page.get_by_role("button", name="Sign in", exact=True))
    page.keyboard.press("Enter")
    page.wait_for_url(demo.base_url + path)


def test_somebody_signs_in(page: Page, demo: Demo) -> None:
    sign_in(page, demo, "viewer", "/settings/integrations")
    page.keyboard.press("Tab")
    assert focused(page.get_by_role("link", name="Skip to content"))
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"


def test_somebody_allows_an_app_what_they_chose(page: Page, scene: Scene) -> None:
    app = registered(scene.demo, "Keyboard Tool", redirect_uri=REMOTE)
    sign_in(page, scene.demo, "operator", scene.consent(app.client_id))
    box = page.locator("input[name=scope][value='projects:develop']")
    tab_to(page, box)
    page.keyboard.press("Space")
    expect(box).to_be_checked()
    page.keyboard.press("Enter")  # decides nothing, and says so
    expect(page.get_by_role("link", name="Choose Allow or Deny.")).to_be_visible()
    assert page.locator("input[name=scope][value='projects:develop']").is_checked()
    chosen = page.locator("input[name=project_access]:checked")
    tab_to(page, chosen)
    page.keyboard.press("ArrowUp" if chosen.get_attribute("value") == "selected" else "Space")
    assert page.locator("input[name=project_access][value=all]").is_checked()
    allow = page.locator("button[value=approve]")
    expect(allow).to_be_enabled()
    tab_to(page, allow)
    with page.expect_request(lambda request: request.url.startswith(REMOTE)) as sent:
        page.keyboard.press("Enter")
    assert "code=" in sent.value.url


def test_an_admin_blocks_an_app(page: Page, scene: Scene) -> None:
    app = registered(scene.demo, "Doomed Tool")
    connected(scene, app, "operator")
    scene.settled()
    sign_in(page, scene.demo, "admin", f"/settings/integrations/{app.client_id}")
    opener = page.locator("button[popovertarget=block]").first
    tab_to(page, opener)
    page.keyboard.press("Enter")
    expect(page.locator("#block")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#block")).to_be_hidden()
    assert focused(opener)
    page.keyboard.press("Space")
    tab_to(page, page.locator("#block button[type=submit]").last)
    page.keyboard.press("Enter")
    expect(page.locator(".notices").first).to_contain_text("Blocked Doomed Tool.")


def test_an_admin_revokes_a_session(page: Page, scene: Scene) -> None:
    app = registered(scene.demo, "Passing Tool")
    connected(scene, app, "operator")
    scene.settled()
    sign_in(page, scene.demo, "admin", "/settings/sessions")
    opener = page.locator("tr", has_text="Passing Tool").locator("button[popovertarget]").first
    tab_to(page, opener)
    page.keyboard.press("Enter")
    asked = page.locator("[popover]:popover-open")
    expect(asked).to_be_visible()
    page.keyboard.press("Escape")
    expect(asked).to_be_hidden()
    assert focused(opener)
    page.keyboard.press("Enter")
    tab_to(page, asked.locator("button[type=submit]").last)
    page.keyboard.press("Enter")
    expect(page.locator(".notices").first).to_contain_text("Revoked")


def test_signing_out_needs_no_scrolling_and_hides_nothing(page: Page, demo: Demo) -> None:
    sign_in(page, demo, "admin", "/settings")
    sign_out = page.get_by_role("button", name="Sign out")
    last = page.get_by_role("navigation").get_by_role("link", name="Sign-ins")
    for width, height in ((1280, 800), (1280, 720), (1280, 480), (390, 600)):
        page.set_viewport_size({"width": width, "height": height})
        if width == 390:
            page.get_by_role("button", name="Menu").click()
        expect(sign_out).to_be_in_viewport(ratio=1)
        sign_out.focus()
        page.keyboard.press("Shift+Tab")
        assert focused(last)
        box, below = last.bounding_box(), sign_out.bounding_box()
        assert box is not None
        assert below is not None
        assert box["y"] + box["height"] <= below["y"], (width, height)
