"""Three questions of somebody who never saw it, answered by what the pages say: clicks are counted, and the paths stand in docs/pages.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from application import decide_app, manage_policies
from tests.browser.scene import UI, Scene, connected, member_id, registered
from tests.support.browser import sign_in
from tests.support.demo import Demo
from tests.support.http_flow import App
from tests.support.inside import SCOPES

pytestmark = [pytest.mark.browser]
MOST_CLICKS = 4


@dataclass
class Stranger:
    """Somebody at the start page; choosing in a list is two clicks, typing none."""

    page: Page
    clicks: int = 0

    def click(self, wanted: Locator) -> None:
        self.clicks += 1
        wanted.click()
        self.page.wait_for_load_state()

    def choose(self, label: str, words: str) -> None:
        self.clicks += 2
        self.page.get_by_label(label, exact=True).select_option(label=words)

    def reads(self, text: str) -> None:
        expect(self.page.locator("main")).to_contain_text(text)


@pytest.fixture
def stranger(browser: Browser, demo: Demo) -> Iterator[Stranger]:
    """Signed in as an admin, where the sign-in leads."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(f"{demo.base_url}/sign-in")
    sign_in(page, demo.user("admin"))
    page.wait_for_url(lambda url: "/settings" in url)
    yield Stranger(page)
    context.close()


def approved(scene: Scene, name: str) -> App:
    """An app that registered while approval was required, and that the admin approved then."""
    services, account_id = scene.within.services, scene.within.account_id
    manage_policies.change_policy(services, account_id, {"registration": "approval"}, origin=UI, actor_id=member_id(scene, "admin"))
    app = registered(scene.demo, name)
    manage_policies.change_policy(services, account_id, {"registration": "open"}, origin=UI, actor_id=member_id(scene, "admin"))
    decide_app.approve(services, account_id, app.client_id, actor_id=member_id(scene, "admin"), origin=UI, reason="Everybody uses it")
    return app


def test_which_apps_can_run_jobs(scene: Scene, stranger: Stranger) -> None:
    connected(scene, registered(scene.demo, "Job Runner"), "operator", SCOPES)
    connected(scene, registered(scene.demo, "Mere Reader"), "operator")
    scene.settled()
    stranger.click(stranger.page.get_by_role("navigation").get_by_role("link", name="App integrations"))
    stranger.choose("May", "Run jobs")
    stranger.click(stranger.page.get_by_role("button", name="Search"))
    stranger.reads("Job Runner")
    expect(stranger.page.locator("main")).not_to_contain_text("Mere Reader")
    assert stranger.clicks <= MOST_CLICKS


def test_who_approved_cursor_last_week(scene: Scene, stranger: Stranger) -> None:
    connected(scene, approved(scene, "Cursor"), "operator")
    scene.settled()
    stranger.click(stranger.page.get_by_role("navigation").get_by_role("link", name="App integrations"))
    stranger.click(stranger.page.get_by_role("link", name="Cursor", exact=True))
    told = stranger.page.locator("main li", has_text="approved Cursor")
    expect(told).to_contain_text("Ada Admin")
    expect(told).to_contain_text("Everybody uses it")
    expect(told.locator("time")).to_have_count(1)
    assert stranger.clicks <= MOST_CLICKS


def test_stop_one_app_for_everyone(scene: Scene, stranger: Stranger) -> None:
    app = registered(scene.demo, "Runaway Tool")
    tokens = [connected(scene, app, role) for role in ("operator", "developer")]
    scene.settled()
    stranger.click(stranger.page.get_by_role("navigation").get_by_role("link", name="App integrations"))
    stranger.click(stranger.page.get_by_role("link", name="Runaway Tool"))
    stranger.click(stranger.page.get_by_role("button", name="Block"))
    stranger.click(stranger.page.get_by_role("button", name="Block and end 2 sessions"))
    stranger.reads("Blocked Runaway Tool.")
    assert [app.refresh(given["refresh_token"]).status_code for given in tokens] == [401, 401]
    assert stranger.clicks <= MOST_CLICKS
