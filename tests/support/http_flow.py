"""A client and its user over plain HTTP, for tests that need many sessions: register, sign in, consent, exchange, refresh."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

CALLBACK = "http://127.0.0.1:9/callback"
_FORM_FIELD = re.compile(r"<input\b[^>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r'([a-z_-]+)(?:="([^"]*)")?', re.IGNORECASE)


def pkce() -> tuple[str, str]:
    """A verifier and its S256 challenge."""
    verifier = secrets.token_urlsafe(48)
    return verifier, base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def form_fields(page: str) -> list[dict[str, str]]:
    """The attributes of every input of a page, in order."""
    return [{k.lower(): unescape(v) for k, v in _ATTRIBUTE.findall(tag[6:])} for tag in _FORM_FIELD.findall(page)]


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    return {f["name"]: f.get("value", "") for f in form_fields(page) if f.get("type") == "hidden" and "name" in f}


@dataclass(eq=False)
class Person:
    """A user with a browser session over plain HTTP."""

    base_url: str
    email: str
    password: str
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.base_url, timeout=20, headers={"User-Agent": "tests"})
        weakref.finalize(self, self.http.close)

    def sign_in(self, next_url: str = "/connected-apps") -> httpx.Response:
        page = self.http.get("/sign-in", params={"next": next_url})
        form = {**hidden(page.text), "email": self.email, "password": self.password}
        return self.http.post(str(page.url), data=form)

    def decide(
        self, authorize_url: str, *, scopes: Sequence[str] | None = None, projects: Sequence[str] | None = None, **choices: Any
    ) -> dict[str, str]:
        """Walk an authorization URL; the parameters of the redirect. `keep_alive` (default True), `decision` (default approve)."""
        response = self.http.get(authorize_url)
        for _ in range(6):
            if response.is_redirect:
                response = self.http.get(urljoin(str(response.url), response.headers["location"]))
            elif 'name="password"' in response.text:
                form = {**hidden(response.text), "email": self.email, "password": self.password}
                response = self.http.post(str(response.url), data=form)
            else:
                break
        assert response.status_code == 200, response.text[:500]
        answer = self.http.post("/consent", data=self._form(response.text, scopes, projects, **choices))
        assert answer.status_code == 303, answer.text[:2000]
        return {k: v[0] for k, v in parse_qs(urlsplit(answer.headers["location"]).query).items()}

    @staticmethod
    def _form(
        page: str, scopes: Sequence[str] | None, projects: Sequence[str] | None, *, keep_alive: bool = True, decision: str = "approve"
    ) -> dict[str, Any]:
        boxes = [f for f in form_fields(page) if f.get("name") == "scope" and "disabled" not in f]
        offered = [f["value"] for f in boxes]
        form: dict[str, Any] = {**hidden(page), "decision": decision}
        form["scope"] = [s for s in offered if scopes is None or s in scopes]
        form["project_access"] = "all" if projects is None else "selected"
        if projects is not None:
            form["project_id"] = list(projects)
        if keep_alive:
            form["keep_alive"] = "on"
        return form


@dataclass(eq=False)
class App:
    """A public client."""

    base_url: str
    name: str = "Test App"
    scope: str | None = None
    redirect_uri: str = CALLBACK
    client_id: str = ""
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.base_url, timeout=20)
        weakref.finalize(self, self.http.close)

    def register(self, **metadata: Any) -> dict[str, Any]:
        document = {"client_name": self.name, "redirect_uris": [self.redirect_uri], "token_endpoint_auth_method": "none", **metadata}
        answer = self.http.post("/oauth/register", json=document)
        assert answer.status_code == 201, answer.text
        self.client_id = answer.json()["client_id"]
        return dict(answer.json())

    def authorize_url(self, **parameters: str) -> tuple[str, str]:
        """The URL and the verifier that goes with it."""
        verifier, challenge = pkce()
        query = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect_uri, "state": secrets.token_urlsafe(8),
            "code_challenge": challenge, "code_challenge_method": "S256", **({"scope": self.scope} if self.scope else {}), **parameters,
        }  # fmt: skip
        return f"{self.base_url}/oauth/authorize?{httpx.QueryParams(query)}", verifier

    def exchange(self, code: str, verifier: str, **extra: str) -> httpx.Response:
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "client_id": self.client_id, **extra}
        return self.http.post("/oauth/token", data={"redirect_uri": self.redirect_uri, **form})

    def refresh(self, token: str, **extra: str) -> httpx.Response:
        return self.http.post("/oauth/token", data={"grant_type": "refresh_token", "refresh_token": token, "client_id": self.client_id, **extra})

    def session(self, person: Person, **choices: Any) -> dict[str, Any]:
        """Tokens of a new session of this person."""
        url, verifier = self.authorize_url()
        answer = self.exchange(person.decide(url, **choices)["code"], verifier)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())
