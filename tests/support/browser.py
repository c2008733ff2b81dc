"""The part of a flow that a person does in a browser: sign in, choose, allow or deny; the client gets its redirect back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support import needs

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class _Open(threading.local):
    browser: Browser | None = None


_open = _Open()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; the one that this thread has open already, since Playwright runs one loop a thread."""
    if _open.browser is not None:
        yield _open.browser
        return
    with sync_playwright() as playwright:
        launched = _open.browser = playwright.chromium.launch(executable_path=needs.chromium(), args=FLAGS)
        try:
            yield launched
        finally:
            _open.browser = None
            launched.close()


@dataclass(frozen=True)
class Choices:
    """What the person chooses; None leaves the page's default."""

    scopes: Sequence[str] | None = None
    projects: Sequence[str] | None = None
    keep_alive: bool | None = None
    decision: str = "approve"


def authorize(browser: Browser, url: str, user: tuple[str, str], choices: Choices = Choices()) -> dict[str, str]:
    """Walk an authorization URL as this person; the parameters of the redirect that the client gets."""
    context = browser.new_context()
    try:
        page = context.new_page()
        target = parse_qs(urlsplit(url).query)["redirect_uri"][0].split("?", maxsplit=1)[0]
        page.goto(url)
        sign_in(page, user)
        choose(page, choices)
        page.wait_for_timeout(600)
        with page.expect_request(lambda request: request.url.split("?", maxsplit=1)[0] == target) as caught:
            page.locator(f"button[name=decision][value={choices.decision}]").click()
        return {k: v[0] for k, v in parse_qs(urlsplit(caught.value.url).query).items()}
    finally:
        context.close()


def authorize_once(url: str, user: tuple[str, str], choices: Choices = Choices()) -> dict[str, str]:
    """The same for clients that hold no browser; works in any thread."""
    with chromium() as browser:
        return authorize(browser, url, user, choices)


def sign_in(page: Page, user: tuple[str, str]) -> None:
    """Fill in the sign-in form."""
    page.fill("input[name=email]", user[0])
    page.fill("input[name=password]", user[1])
    page.locator("main form button[type=submit]:visible").first.click()
    page.wait_for_load_state()


def choose(page: Page, choices: Choices) -> None:
    """Tick and untick what the consent page offers."""
    if choices.scopes is not None:
        for box in page.locator("input[name=scope]:enabled").all():
            box.set_checked(box.get_attribute("value") in choices.scopes)
    if choices.projects is not None:
        page.locator(f"input[name=project_access][value={'all' if list(choices.projects) == ['*'] else 'selected'}]").check()
        for box in page.locator("input[name=project_id]:enabled").all():
            box.set_checked(box.get_attribute("value") in choices.projects)
    keep = page.locator("input[name=keep_alive]")
    if choices.keep_alive is not None and keep.count():
        keep.set_checked(choices.keep_alive)
