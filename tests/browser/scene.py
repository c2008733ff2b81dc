"""Fills a running demo so that every page has something to show: apps, sessions and sign-ins in every state, a provider, a directory."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from application import decide_app, holds, manage_members, manage_policies, record_action, revoke_grant, scim_token, sso_settings
from application.begin_authorization import PendingRequest, begin
from application.services import Origin
from bench.pages_map import Found, each_kind
from projections.status import lag
from tests.support.demo import Demo
from tests.support.http_flow import App, Person
from tests.support.inside import ORIGIN, SCOPES, Inside, inside
from web.app import create_app

UI = Origin("ui", "127.0.0.1", "tests/1.0")
REMOTE = "https://cb.tools.example/done"
ROLES = ("admin", "viewer", "developer")
NOT_PAGES = {"settings.audit.export", "settings.policy.registration", "sso.start", "sso.callback", "settings.sso.tested", "sign_in.start"} | {
    "settings.ledger.checkpoint", "settings.ledger.verify",
    "settings.member_data.export", "settings.member_data.hold", "settings.audit.proof", "settings.explain.proof",
}  # fmt: skip
"""Rules that answer a GET with a file or a redirect only: nothing to look at."""
SEVERAL = {"settings.integrations.detail": 4, "settings.sessions.detail": 2, "settings.audit.detail": 2, "consent.show": 2}
BEGINNING = ("/", "/settings", "/settings/integrations", "/settings/integrations/new", "/connected-apps", "/sign-ins", "/sign-out")
FOR_ALL = (
    "/sign-in",
    "/sign-in?again=1",
    "/setup",
    "/setup/admin",
    "/setup/resource",
    "/setup/app",
    "/nothing-here",
    "/oauth/authorize?client_id=nobody",
)
"""Pages that no link of ours leads to: a link from an app, an e-mail or a terminal does. A wrong address and a wrong app are among them."""


@dataclass
class Scene:
    """The filled demo. `urls`: role -> endpoint -> the URLs that this role's links lead to."""

    demo: Demo
    within: Inside
    urls: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def pages(self, role: str) -> list[str]:
        """Every URL that has something to look at: one of each rule, and several where the page is another for another status."""
        return [url for endpoint, urls in self.urls[role].items() if endpoint not in NOT_PAGES for url in urls[: SEVERAL.get(endpoint, 1)]]

    def person(self, role: str) -> Person:
        person = Person(self.demo.base_url, *self.demo.user(role))
        assert person.sign_in().status_code == 303
        return person

    def consent(self, client_id: str, redirect_uri: str = REMOTE) -> str:
        """The consent page of a new authorization request; a request isn't anybody's until it is decided."""
        asked = {"client_id": client_id, "redirect_uri": redirect_uri, "response_type": "code", "scope": " ".join((*SCOPES, "offline_access"))}
        given = {**asked, "code_challenge": "x" * 43, "code_challenge_method": "S256", "state": "s"}
        pending = begin(self.within.services, self.within.account_id, {name: [value] for name, value in given.items()}, ORIGIN)
        assert isinstance(pending, PendingRequest), pending
        return f"/consent?{urlencode({'request': pending.request_id})}"

    def settled(self) -> None:
        """Wait until the views hold everything that was recorded."""
        with self.within.app.views() as conn:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                waiting = conn.execute("SELECT (SELECT count(*) FROM events) - (SELECT count(*) FROM positions)").fetchone()
                found = lag(conn)
                if waiting == (0,) and found.position >= found.head:
                    return
                time.sleep(0.05)
        raise AssertionError("the views did not catch up")


@contextlib.contextmanager
def filled(demo: Demo) -> Iterator[Scene]:
    """The demo's data, and a walk through its links as each role."""
    with inside(demo) as within:
        scene = Scene(demo, within)
        remote = _apps_and_sessions(scene)
        _identity(scene)
        scene.settled()
        for role in ROLES:
            _walk(scene, role, remote)
        yield scene


def member_id(scene: Scene, role: str) -> str:
    found = manage_members.find_member(scene.within.services, scene.within.account_id, scene.demo.user(role)[0])
    return str(found)


def registered(demo: Demo, name: str, **facts: str) -> App:
    app = App(demo.base_url, name, **facts)
    app.register()
    return app


def connected(scene: Scene, app: App, role: str, scopes: Sequence[str] = SCOPES[:1]) -> dict[str, str]:
    """A session of this person through the app: its tokens."""
    code = scene.within.code(app.client_id, member_id(scene, role), scopes=scopes)
    with httpx.Client(base_url=scene.demo.base_url, timeout=20) as http:
        answer = scene.within.exchange(code, http)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _apps_and_sessions(scene: Scene) -> App:
    """One app in each state, with sessions; the one that waits for a decision at the consent page."""
    demo, services, account_id = scene.demo, scene.within.services, scene.within.account_id
    by: dict[str, Any] = {"actor_id": member_id(scene, "admin"), "origin": UI}
    claude, again = registered(demo, "Claude Code"), registered(demo, "Claude Code")
    for role in ("admin", "operator", "developer", "analyst", "viewer"):
        tokens = connected(scene, claude, role)
        claude.refresh(tokens["refresh_token"])
        _act(scene, claude, role, tokens)
    for role in ROLES:  # a second app, so that all can be revoked at once
        connected(scene, registered(demo, f"Tool of {role}"), role)
    _end(scene, connected(scene, again, "admin"))
    _end(scene, connected(scene, again, "developer"))
    _reuse(scene, again)
    blocked, gone, waiting = registered(demo, "Blocked Tool"), registered(demo, "Gone Tool"), App(demo.base_url, "Waiting Tool")
    connected(scene, blocked, "operator")
    decide_app.block(services, account_id, blocked.client_id, reason="Nobody knows who runs it", **by)
    decide_app.remove(services, account_id, gone.client_id, reason="Not used", **by)
    manage_policies.change_policy(services, account_id, {"registration": "approval"}, **by)
    waiting.register()
    manage_policies.change_policy(services, account_id, {"registration": "open"}, **by)
    return registered(demo, "Remote Tool", redirect_uri=REMOTE)


def _act(scene: Scene, app: App, role: str, tokens: dict[str, str]) -> None:
    services, client = scene.within.services, str(scene.within.uuid(app.client_id.removeprefix("app_")))
    facts = {"member_id": member_id(scene, role), "client_stream": client, "client_id": app.client_id, "grant_id": _grant(scene, tokens)}
    for operation in ("get_account", "list_projects"):
        what = {"resource": services.mcp_url, "operation": operation, "scope": "account:read"}
        record_action.record(services, scene.within.account_id, **facts, **what, projects=(), outcome="ok", origin=ORIGIN)


def _end(scene: Scene, tokens: dict[str, str]) -> None:
    by: dict[str, Any] = {"by": "admin", "actor_id": member_id(scene, "admin"), "origin": UI, "reason": "Laptop lost"}
    revoke_grant.revoke(scene.within.services, scene.within.account_id, _grant(scene, tokens), **by)


def _reuse(scene: Scene, app: App) -> None:
    """A token of two rotations ago comes back."""
    first = connected(scene, app, "operator")["refresh_token"]
    app.refresh(app.refresh(first).json()["refresh_token"])
    assert app.refresh(first).status_code == 400


def _grant(scene: Scene, tokens: dict[str, str]) -> str:
    found = scene.within.services.codec.read(tokens["refresh_token"])
    assert found is not None
    return str(found.grant_id)


def _identity(scene: Scene) -> None:
    """A provider that is set but not on, a domain, a directory's token, a failed sign-in, somebody deactivated, two browsers of each person."""
    services, account_id, demo = scene.within.services, scene.within.account_id, scene.demo
    by: dict[str, Any] = {"actor_id": member_id(scene, "admin"), "origin": UI}
    provider = sso_settings.SsoSettings(
        issuer="https://login.jaffle.example", client_id="grantbook", secret="only a test", enabled=False, scopes=("openid", "email", "profile"),
        default_role="Member", groups_claim="groups", group_roles=(("data", "Analyst"),), enforced=False, break_glass=(),
    )  # fmt: skip
    sso_settings.change(services, scene.within.app.identity, account_id, provider, **by)
    sso_settings.add_domain(services, account_id, "jaffle.example", **by)
    scim_token.rotate(services, account_id, **by)
    assert Person(demo.base_url, demo.user("analyst")[0], "wrong").sign_in().status_code < 500
    gone = manage_members.add_member(services, account_id, email="aaron@jaffle.example", name="Aaron Gone", role="Analyst", **by)
    manage_members.deactivate(services, account_id, gone.member_id, reason="Left", **by)
    holds.place(services, account_id, member_id=gone.member_id, matter="Case 17/2026", **by)
    for role in ROLES:
        scene.person(role)


def _walk(scene: Scene, role: str, remote: App) -> None:
    person = scene.person(role)

    def get(url: str) -> str:
        answer = person.http.get(url)
        assert answer.status_code < 500, (role, url, answer.text[:500])
        if answer.is_redirect:
            return f'<a href="{answer.headers["location"]}">'
        return answer.text if answer.headers["content-type"].startswith("text/html") else ""

    found = Found(create_app(scene.within.app))
    kinds = each_kind(scene.within.app, scene.within.account_id) if role != "developer" else []
    of_one = [f"/settings/sessions?user={scene.demo.user('operator')[0]}"] if role != "developer" else []
    found.walk(get, [*kinds, *of_one, scene.consent(remote.client_id), *BEGINNING, *FOR_ALL])
    scene.urls[role] = found.urls
    if role == "admin":
        scene.missing = {endpoint: rule for endpoint, rule in found.missing().items() if endpoint not in NOT_PAGES}
