"""Who may open which page and send which form: the URL map is walked as each role."""

from __future__ import annotations

import pytest

from tests.support.http_flow import Person, hidden
from tests.web.pages.conftest import Site, connected, settled, signed_in
from web.app import create_app

ANYONE = {
    "sign_in.show", "sign_in.submit", "sign_in.start", "sign_in.sign_out", "setup.show", "setup.submit", "setup.admin", "setup.submit_admin",
    "sso.start", "sso.callback",
}  # fmt: skip
SIGNED_IN = {
    "sign_in.ask_to_sign_out", "consent.show", "consent.decide", "connected_apps.list", "connected_apps.revoke", "connected_apps.revoke_all",
    "connected_apps.revoke_session", "connected_apps.receipt", "connected_apps.change", "connected_apps.narrow",
    "sign_ins.list", "sign_ins.ask_to_end", "sign_ins.end", "sign_ins.ask_to_end_others", "sign_ins.end_others",
}  # fmt: skip
READERS = {
    "settings.member_data.show", "settings.holds.list",
    "settings.members.list", "settings.members.detail", "settings.projects.list",
    "settings.policy.show", "settings.policy.registration", "settings.keys.list", "settings.resources.list", "settings.resources.detail",
    "settings.scopes.list",
    "settings.overview.show", "settings.integrations.registrations", "settings.replay.show",
    "settings.explain.show", "settings.explain.proof",
    "settings.integrations.list", "settings.integrations.detail", "settings.sessions.list", "settings.sessions.detail", "settings.audit.list",
    "settings.audit.detail", "settings.audit.proof", "settings.audit.export", "settings.ledger.show", "settings.ledger.checkpoint",
    "settings.access_urls.show", "settings.sso.show", "settings.first_steps.show",
}  # fmt: skip
ADMINS = {
    "settings.member_data.export", "settings.member_data.hold", "settings.member_data.erase", "settings.holds.place", "settings.holds.release",
    "settings.members.new", "settings.members.add", "settings.member_access.ask_role", "settings.member_access.role",
    "settings.member_access.permission", "settings.member_access.permit",
    "settings.member_access.ask_forbid", "settings.member_access.forbid", "settings.member.deactivate", "settings.member.reactivate",
    "settings.member.end_sign_ins", "settings.member.revoke_sessions", "settings.member.password", "settings.projects.add",
    "settings.projects.ask_rename", "settings.projects.rename", "settings.projects.remove",
    "settings.policy.save_registration", "settings.policy.try_registration", "settings.policy.save_session", "settings.policy.registration_page",
    "settings.policy.what_if_page", "settings.policy.session_page", "settings.keys.rotate",
    "settings.resources.new", "settings.resources.add", "settings.resources.change", "settings.resources.save", "settings.resources.rotate",
    "settings.resources.remove", "settings.scopes.new", "settings.scopes.add", "settings.scopes.change", "settings.scopes.save",
    "settings.scopes.remove",
    "settings.integrations.new", "settings.integrations.add", "settings.integrations.approve", "settings.integrations.deny",
    "settings.integrations.block", "settings.integrations.verify",
    "settings.integrations.unblock", "settings.integrations.remove", "settings.sessions.revoke",
    "settings.sessions.revoke_many", "settings.sessions.revoke_all",
    "settings.ledger.verify",
    "setup_steps.resource", "setup_steps.add_resource", "setup_steps.app", "setup_steps.add_app",
    "settings.sso.save", "settings.sso.test", "settings.sso.tested", "settings.sso.add_domain", "settings.sso.prove_domain",
    "settings.sso.remove_domain", "settings.sso.unlink", "settings.sso.make_token", "settings.sso.remove_token", "settings.sso.token_page",
    "settings.sso.unlink_page", "settings.sso.add_domain_page", "settings.sso.prove_domain_page", "settings.sso.remove_domain_page",
}  # fmt: skip
MAY = {"admin": SIGNED_IN | READERS | ADMINS, "viewer": SIGNED_IN | READERS, "analyst": SIGNED_IN, "operator": SIGNED_IN, "member": SIGNED_IN}


def routes(site: Site) -> list[tuple[str, str, set[str]]]:
    """Endpoint, path with stand-ins, methods; of all pages."""
    pages = ("settings.", "sign_in.", "setup.", "setup_steps.", "consent.", "connected_apps.", "sign_ins.", "sso.")
    values = {
        "page_id": "none", "grant_id": "0" * 8, "position": 1, "consent_id": "none", "kind": "csv", "part": "leaf",
        "sign_in_id": "none", "use": "token",
        "resource_id": "none", "member_id": "none", "permission": "jobs.run", "project_id": "none", "code": "jobs:run",
        "hold_id": "none", "size": 1,
    }  # fmt: skip
    adapter = create_app(site.app).url_map.bind("localhost")
    found = []
    for rule in adapter.map.iter_rules():
        if rule.endpoint.startswith(pages):
            path = adapter.build(
                rule.endpoint, {name: values[name] for name in rule.arguments}, method=next(iter((rule.methods or set()) - {"HEAD", "OPTIONS"}))
            )
            found.append((rule.endpoint, path, (rule.methods or set()) & {"GET", "POST"}))
    return found


@pytest.fixture(scope="module")
def people(site: Site) -> dict[str, Person]:
    everyone = {who: signed_in(site, who) for who in MAY}
    connected(site, everyone["operator"], "Claude Code")
    settled(site)
    return everyone


def test_every_page_has_its_place_in_the_table(site: Site, people: dict[str, Person]) -> None:
    known = ANYONE | SIGNED_IN | READERS | ADMINS
    assert {endpoint for endpoint, _, _ in routes(site)} <= known


@pytest.mark.parametrize("who", MAY)
def test_a_role_reaches_its_pages_and_no_others(site: Site, people: dict[str, Person], who: str) -> None:
    for endpoint, path, methods in routes(site):
        if endpoint in ANYONE:
            continue
        for method in sorted(methods):
            answer = people[who].http.request(method, path, data={"csrf_token": "wrong"} if method == "POST" else None)
            if endpoint in MAY[who]:
                assert answer.status_code in (200, 303, 400, 404), (who, method, path, answer.status_code)
            else:
                assert answer.status_code == 403, (who, method, path, answer.status_code)
                assert "Only account admins" in answer.text


def test_nobody_unknown_reaches_any(site: Site, people: dict[str, Person]) -> None:
    stranger = Person(site.base_url, "", "")
    for endpoint, path, methods in routes(site):
        if endpoint in ANYONE:
            continue
        for method in sorted(methods):
            answer = stranger.http.request(method, path)
            assert answer.status_code == 303, (method, path, answer.status_code)
            assert answer.headers["location"].startswith("/sign-in?next=")


def test_a_viewer_sees_pages_without_buttons(site: Site, people: dict[str, Person]) -> None:
    for path in ("/settings/integrations", "/settings/sessions", "/settings/audit", "/settings/sso"):
        page = people["viewer"].http.get(path).text
        forms = page.count('method="post"')
        assert forms == 1, path  # signing out
    listed = people["viewer"].http.get("/settings/integrations").text
    assert "Claude Code" in listed
    assert "Add integration" not in listed


@pytest.mark.parametrize("who", ["admin", "operator"])
def test_no_form_is_taken_without_its_token(site: Site, people: dict[str, Person], who: str) -> None:
    for endpoint, path, methods in routes(site):
        if "POST" not in methods or endpoint in ("sign_in.submit", "setup.submit", "setup.submit_admin") or endpoint not in MAY[who] | ANYONE:
            continue
        before = people[who].http.get("/connected-apps").status_code
        answer = people[who].http.post(path, data={"grant_id": "x"})
        assert answer.status_code in (400, 404), (path, answer.status_code)
        assert people[who].http.get("/connected-apps").status_code == before == 200


def test_a_token_of_another_browser_is_refused(site: Site, people: dict[str, Person]) -> None:
    theirs = hidden(people["viewer"].http.get("/settings/integrations").text)["csrf_token"]
    answer = people["operator"].http.post("/sign-out", data={"csrf_token": theirs})
    assert answer.status_code == 400
    assert "This page is out of date, nothing was changed." in answer.text


def test_a_form_that_another_site_sent_is_refused(site: Site, people: dict[str, Person]) -> None:
    person = people["operator"]
    token = hidden(person.http.get("/connected-apps").text)["csrf_token"]
    answer = person.http.post("/sign-out", data={"csrf_token": token}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/sign-in", "/settings/integrations", "/connected-apps", "/nothing", "/settings/audit/99999", "/oauth/authorize"])
def test_every_page_has_the_guarding_headers(site: Site, people: dict[str, Person], path: str) -> None:
    headers = people["admin"].http.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'; frame-ancestors 'none'; base-uri 'none'" in policy
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


def test_a_permission_that_is_lost_is_felt_by_the_next_page(fresh_site: Site) -> None:
    from uuid import UUID

    from application import manage_members
    from tests.web.pages.conftest import ORIGIN

    site, person = fresh_site, signed_in(fresh_site, "viewer")
    member = UUID(site.people["viewer"])
    assert person.http.get("/settings/audit").status_code == 200
    manage_members.forbid(site.app.services, site.account_id, member, "audit.read", origin=ORIGIN)
    assert person.http.get("/settings/audit").status_code == 403
    manage_members.deactivate(site.app.services, site.account_id, member, origin=ORIGIN)
    assert person.http.get("/connected-apps").status_code == 303
