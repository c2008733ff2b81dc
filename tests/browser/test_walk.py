"""The walk of the product: a user consents in part, an admin sees the app and blocks it, the app is refused, the log tells it all."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.scene import Scene
from tests.support.browser import Choices, authorize, sign_in
from tests.support.demo import Demo
from tests.support.http_flow import App

pytestmark = [pytest.mark.browser]
NAME = "Walking Tool"


def refused(app: App, token: str) -> tuple[int, str]:
    answer = app.refresh(token)
    return answer.status_code, answer.json().get("error", "")


def open_as(browser: Browser, demo: Demo, user: str, path: str) -> Page:
    page = browser.new_context().new_page()
    page.goto(demo.base_url + path)
    sign_in(page, demo.user(user))
    expect(page).to_have_url(demo.base_url + path)
    return page


def test_from_a_partial_consent_to_a_blocked_app_and_its_record(browser: Browser, demo: Demo, scene: Scene) -> None:
    app = App(demo.base_url, name=NAME)
    app.register()
    url, verifier = app.authorize_url(scope="account:read projects:query catalog:read projects:develop jobs:run")
    chosen = ["account:read", "projects:query", "catalog:read"]
    answer = authorize(browser, url, demo.user("operator"), Choices(scopes=chosen, projects=[demo.project("Sales")]))
    tokens = app.exchange(answer["code"], verifier).json()
    assert tokens["scope"].split() == chosen
    scene.settled()

    page = open_as(browser, demo, "admin", "/settings/integrations")
    page.get_by_role("link", name=NAME).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    page.get_by_role("button", name="Block").first.click()
    page.locator("[popover]:popover-open button[type=submit]").last.click()
    expect(page.locator(".notices").first).to_contain_text(f"Blocked {NAME}")
    expect(page.get_by_text("Blocked", exact=True).first).to_be_visible()

    assert refused(app, tokens["refresh_token"]) == (401, "invalid_client")
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    call = httpx.post(demo.mcp_url, json=message, headers={"Authorization": f"Bearer {tokens['access_token']}"}, timeout=30)
    assert call.status_code == 401

    page.goto(f"{demo.base_url}/settings/audit?client={app.client_id}")
    told = page.locator("main").inner_text()
    for event_type in (
        "oauth_client.registered",
        "oauth_client.authorization_approved",
        "access_token.issued",
        "refresh_token.issued",
        "oauth_client.blocked",
    ):
        assert event_type in told, event_type
    page.goto(f"{demo.base_url}/settings/sessions?client={app.client_id}")
    expect(page.locator("main table", has_text=NAME)).to_have_count(0)


def test_the_person_sees_the_app_under_connected_apps_and_revokes_it(browser: Browser, demo: Demo, scene: Scene) -> None:
    app = App(demo.base_url, name="Personal Tool")
    app.register()
    url, verifier = app.authorize_url()
    answer = authorize(browser, url, demo.user("developer"), Choices(projects=[demo.project("Sales")]))
    tokens = app.exchange(answer["code"], verifier).json()
    scene.settled()
    page = open_as(browser, demo, "developer", "/connected-apps")
    card = page.locator("main section, main article, main .panel", has_text="Personal Tool").last
    card.get_by_role("button", name="Revoke").first.click()
    page.locator("[popover]:popover-open button[type=submit]").last.click()
    expect(page.locator(".notices").first).to_contain_text("Personal Tool")
    assert refused(app, tokens["refresh_token"]) == (400, "invalid_grant")


def test_a_denial_gives_the_app_nothing(browser: Browser, demo: Demo) -> None:
    app = App(demo.base_url, name="Refused Tool")
    app.register()
    url, _ = app.authorize_url()
    answer = authorize(browser, url, demo.user("analyst"), Choices(decision="deny"))
    assert answer["error"] == "access_denied"
    assert answer["iss"] == demo.issuer
    assert "code" not in answer
