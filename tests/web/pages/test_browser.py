"""What only a browser can tell: no page scrolls sideways, forms end at the app, keyboard and JS-off work, the whole walk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from projections.consents.queries import list_consents
from tests.browser.checks import WIDTHS
from tests.support.browser import Choices, authorize, chromium
from tests.support.http_flow import App
from tests.support.served import served
from tests.web.pages.conftest import PASSWORD, Site, settled
from tests.web.pages.gallery import GALLERY
from tests.web.pages.rendering import sample_app

pytestmark = pytest.mark.browser
HOLD_BACK = 800
"""Milliseconds after which consent.js lets Allow be pressed."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def gallery() -> Iterator[str]:
    with served(sample_app()) as port:
        yield f"http://127.0.0.1:{port}/gallery"


def watched(page: Page) -> list[str]:
    """Whatever the console complains about from now on."""
    said: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            said.append(message.text)

    page.on("console", note)
    return said


def sign_in(page: Page, site: Site, who: str) -> None:
    page.goto(f"{site.base_url}/sign-in")
    page.fill("#email", site.email(who))
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)


def registered(site: Site, name: str, redirect_uri: str) -> App:
    app = App(site.base_url, name, redirect_uri=redirect_uri)
    app.register()
    return app


@pytest.mark.parametrize("share", range(3))
def test_no_page_scrolls_sideways_or_complains(browser: Browser, gallery: str, share: int) -> None:
    context = browser.new_context()
    page = context.new_page()
    said = watched(page)
    for name in list(GALLERY)[share::3]:
        page.goto(f"{gallery}/{name}")
        for width in WIDTHS:
            page.emulate_media(color_scheme="dark" if width == 390 else "light")
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (name, wide)
    assert said == []
    context.close()


def test_the_consent_page_fits_a_laptop_screen(browser: Browser, gallery: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(f"{gallery}/consent")
    assert page.evaluate("document.documentElement.scrollHeight") <= 800
    context.close()


def test_the_ledger_is_short_on_a_phone_and_unfolds_what_is_long(browser: Browser, gallery: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(f"{gallery}/ledger")
    for summary, inside in (("The signed note", "#note"), ("1 earlier key", "#vkey-2"), ("The commands", "#commands")):
        assert not page.locator(inside).is_visible(), inside
        page.get_by_text(summary, exact=True).press("Enter")
        assert page.locator(inside).is_visible(), inside
    lines = page.locator("section[aria-labelledby=checkpoints] td code").evaluate_all("all => all.map(code => code.getClientRects().length)")
    assert lines == [1, 1, 1]
    rows = page.locator("section[aria-labelledby=checkpoints] tbody tr").evaluate_all("all => all.map(row => row.offsetHeight)")
    assert max(rows) < 80
    context.close()


def test_copying_says_so_in_a_live_region(browser: Browser, gallery: str) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{gallery}/access-urls")
    page.locator("[data-copy]").first.click()
    page.wait_for_function("document.querySelector('[role=status]').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("input[readonly]").first.input_value()
    context.close()


@pytest.mark.parametrize("redirect_uri", ["http://localhost:3118/callback", "https://cb.example.com/done", "http://[::1]:3118/cb", "cursor://x/cb"])
def test_allowing_ends_at_the_app_and_no_policy_stands_in_the_way(browser: Browser, site: Site, redirect_uri: str) -> None:
    app = registered(site, f"Ends {redirect_uri[:12]}", redirect_uri)
    context = browser.new_context()
    page = context.new_page()
    said = watched(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.route(lambda url: not url.startswith(site.base_url), lambda route: route.fulfill(status=200, body="done"))
    sign_in(page, site, "operator")
    page.goto(app.authorize_url()[0])
    page.check("input[name=project_access][value=all]")
    page.wait_for_timeout(HOLD_BACK)
    with page.expect_request(lambda request: request.method == "POST" and request.url.endswith("/consent")):
        page.click("button[value=approve]", no_wait_after=True)
    page.wait_for_timeout(500)
    settled(site)
    with site.app.views() as conn:
        assert [row.client_id for row in list_consents(conn, site.account_id, in_force=True, limit=1)] == [app.client_id]
    assert not [words for words in said if "Content Security Policy" in words or "form-action" in words]
    if redirect_uri.startswith("http"):
        assert any(url.startswith(redirect_uri) for url in asked)
    context.close()


def test_enter_decides_nothing_and_allow_waits_for_the_person(browser: Browser, site: Site) -> None:
    app = registered(site, "Hasty", "https://hasty.example/cb")
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, site, "operator")
    page.clock.install()
    page.goto(app.authorize_url()[0])
    focused = "() => { dispatchEvent(new Event('focus')); return document.querySelector('button[value=approve]').disabled; }"
    assert page.evaluate(focused)
    page.clock.run_for(HOLD_BACK)
    assert page.locator("button[value=approve]").is_enabled()
    page.locator("input[name=scope]").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Choose Allow or Deny.").wait_for()
    assert not page.locator("input[name=scope]").first.is_checked()
    assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
    context.close()


def test_everything_works_without_javascript(browser: Browser, site: Site) -> None:
    app = registered(site, "Scriptless", "https://scriptless.example/cb")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, site, "admin")
    page.goto(app.authorize_url()[0])
    page.check("input[name=project_access][value=all]")
    with page.expect_request(lambda request: request.url.startswith("https://scriptless.example/cb?")):
        page.click("button[value=approve]", no_wait_after=True)
    page = context.new_page()  # the other's way to the app, which nobody serves, would break off where this one goes
    settled(site)
    page.goto(f"{site.base_url}/settings/integrations/{app.client_id}")
    page.click("button[popovertarget=block]")
    page.click("#block button[type=submit]")
    page.get_by_text("Blocked Scriptless.").first.wait_for()
    assert page.locator("[data-copy]").first.is_hidden()
    context.close()


def test_the_confirmation_opens_and_closes_by_keyboard(browser: Browser, site: Site) -> None:
    app = registered(site, "Keys", "https://keys.example/cb")
    settled(site)
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, site, "admin")
    page.goto(f"{site.base_url}/settings/integrations/{app.client_id}")
    opener = page.locator("button[popovertarget=remove]").first
    opener.focus()
    page.keyboard.press("Enter")
    assert page.locator("#remove").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#remove").is_hidden()
    assert page.evaluate("document.activeElement.getAttribute('popovertarget')") == "remove"
    context.close()


def test_the_whole_walk(browser: Browser, site: Site) -> None:
    """Two scopes unchecked and one project: the token has the rest; the admin blocks; the refresh is refused; the log tells it."""
    app = registered(site, "Walked", "https://walked.example/cb")
    url, verifier = app.authorize_url()
    analyst = (site.email("analyst"), PASSWORD)
    chosen = Choices(scopes=["projects:query"], projects=[site.projects["Sales"]])
    code = authorize(browser, url, analyst, chosen)["code"]
    tokens = app.exchange(code, verifier).json()
    assert tokens["scope"] == "projects:query"
    settled(site)
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, site, "admin")
    page.get_by_role("link", name="App integrations").first.click()
    page.get_by_role("link", name="Walked").click()
    page.get_by_role("button", name="Block").first.click()
    page.fill("#block-why", "Seen in a test")
    page.get_by_role("button", name="Block and end 1 session").click()
    page.get_by_text("Blocked Walked.").first.wait_for()
    assert "1 session ended." in page.locator("main").inner_text()
    refused = app.refresh(tokens["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    page.get_by_role("link", name="Audit log").click()
    told = page.locator("table.audit").inner_text()
    for step in ("oauth_client.registered", "authorization_approved", "access_token.issued", "refresh_token.issued", "oauth_client.blocked"):
        assert step in told
    context.close()
