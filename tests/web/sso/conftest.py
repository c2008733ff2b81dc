"""A server with an account, and a real OpenID provider (npm `oidc-provider`) beside it on 127.0.0.1."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from application import sso_settings
from application.sso_settings import SsoSettings
from tests.support import needs
from tests.web.pages.conftest import ORIGIN, Site, site

__all__ = ["site"]

CLIENT_ID, CLIENT_SECRET = "grantbook", "a-secret-of-forty-characters-or-more-here"
SCRIPT = Path(__file__).parent.parent.parent / "node" / "oidc_provider.mjs"


@dataclass
class Provider:
    """The provider, steered from the test."""

    issuer: str

    def control(self, **wanted: Any) -> None:
        answer = httpx.post(f"{self.issuer}/control", json=wanted, timeout=20)
        assert answer.status_code == 200, answer.text

    def person(self, sub: str, **claims: Any) -> None:
        self.control(person={"sub": sub, "email_verified": True, **claims})


@pytest.fixture(scope="module")
def provider(site: Site) -> Iterator[Provider]:
    node = needs.node()
    assert node is not None
    facts = {
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "redirect_uri": f"{site.base_url}/sso/callback", "auth_method": "client_secret_basic",
    }  # fmt: skip
    process = subprocess.Popen(
        [node, str(SCRIPT), json.dumps(facts)], cwd=SCRIPT.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    with process:
        yield Provider(json.loads(process.stdout.readline())["issuer"])
        process.stdin.close()


def settings_of(issuer: str, **changes: Any) -> SsoSettings:
    plain = SsoSettings(
        issuer=issuer, client_id=CLIENT_ID, secret=CLIENT_SECRET, enabled=True, scopes=("openid", "email", "profile", "groups"),
        default_role="Analyst", groups_claim="groups", group_roles=(), enforced=False, break_glass=(),
    )  # fmt: skip
    return replace(plain, **changes)


def configure(site: Site, issuer: str, **changes: Any) -> None:
    """Single sign-on with the proven domain jaffle.example."""
    services, tools, admin = site.app.services, site.app.identity, site.people["admin"]
    sso_settings.change(services, tools, site.account_id, settings_of(issuer, **changes), origin=ORIGIN, actor_id=admin)
    sso_settings.add_domain(services, site.account_id, "jaffle.example", origin=ORIGIN, actor_id=admin)
    line = sso_settings.proof_of(services, site.account_id, "jaffle.example")
    proving = replace(tools, fetch_proof=lambda _: f"{line}\n")
    sso_settings.prove_domain(services, proving, site.account_id, "jaffle.example", origin=ORIGIN, actor_id=admin)


class Browser:
    """A browser that walks redirects, and can stop before the answer comes back to us."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.http = httpx.Client(
            base_url=site.base_url, timeout=20, headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Firefox/145.0"}
        )

    def answer_url(self, start: str = "/sso/start") -> str:
        """Begin, let the provider sign the person in, and return where it sends them back to."""
        for cookie in [cookie for cookie in self.http.cookies.jar if not cookie.name.startswith("gb_")]:
            self.http.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)  # the provider's: its person is chosen anew
        response = self.http.get(start)
        for _ in range(10):
            assert response.is_redirect, response.text[:800]
            target = str(response.headers["location"])
            if target.startswith(f"{self.site.base_url}/sso/callback"):
                return target
            response = self.http.get(httpx.URL(str(response.url)).join(target))
        raise AssertionError("too many redirects")

    def sign_in(self, start: str = "/sso/start") -> httpx.Response:
        return self.http.get(self.answer_url(start))

    def close(self) -> None:
        self.http.close()


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    opened = Browser(site)
    yield opened
    opened.close()


@pytest.fixture
def other_browser(site: Site) -> Iterator[Browser]:
    opened = Browser(site)
    yield opened
    opened.close()
