from __future__ import annotations

import pytest

from application import manage_policies
from tests.support.http_flow import App
from tests.web.pages.conftest import ORIGIN, Site, connected, post, settled, signed_in, text_of


@pytest.mark.parametrize(
    ("registration", "words"),
    [("open", "Connect an app"), ("approval", "A new app waits for approval."), ("off", "register by themselves now.")],
)
def test_the_page_says_whether_an_app_can_register_there(site: Site, registration: str, words: str) -> None:
    manage_policies.change_policy(site.app.services, site.account_id, {"registration": registration}, origin=ORIGIN)
    viewer = signed_in(site, "viewer")
    page = text_of(viewer.http.get("/settings/access-urls"))
    assert words in page
    assert ("by themselves now" in page) == (registration == "off")


def test_a_plan_without_apps_ends_them_and_every_page_about_them_explains_it(fresh_site: Site) -> None:
    site, services = fresh_site, fresh_site.app.services
    admin, operator = signed_in(site, "admin"), signed_in(site, "operator")
    app, tokens = connected(site, operator, "Ended by the plan", "https://ended.example/cb")
    asked, _ = app.authorize_url()
    consent = operator.http.get(asked).headers["location"]
    manage_policies.change_plan(services, site.account_id, "team", origin=ORIGIN)
    settled(site)
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    stranger = App(site.base_url)
    refused = stranger.http.post("/oauth/register", json={"redirect_uris": ["https://new.example/cb"]})
    assert (refused.status_code, refused.json()["error"]) == (403, "access_denied")
    assert "plan" in refused.json()["error_description"]
    waiting = operator.http.get(consent)
    assert waiting.status_code == 403
    assert "connect apps now Apps connect to Jaffle Analytics under the Enterprise" in text_of(waiting)
    assert "Admins of Jaffle Analytics: Priya Raman." in text_of(waiting)
    for path in ("/settings/access-urls", "/settings/sso"):
        assert "Enterprise and Enterprise+ plans; yours is Team" in text_of(admin.http.get(path)), path
    assert "plan has no app integrations any more" in text_of(operator.http.get("/connected-apps"))
    assert "Add the app by hand." not in text_of(admin.http.get("/setup/app"))
    by_hand = post(admin, "/setup/app", name="A", redirect_uris="https://a.example/cb", scope="jobs:run")
    assert by_hand.status_code == 400
    assert "The account&#39;s plan does not include app integrations." in by_hand.text
