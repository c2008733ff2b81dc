"""A whole server in one test process on real PostgreSQL: account, projects, members, resources, and a client's way to its tokens."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID, uuid4

import psycopg
from flask.testing import FlaskClient
from werkzeug.test import Client as WsgiClient
from werkzeug.test import TestResponse

from application import approve_consent, begin_authorization, manage_members, manage_policies, manage_projects, manage_resources, open_account
from application.services import Origin, Services
from domain.account import Account
from domain.base import RecordedEvent
from domain.roles import ACCOUNT_ADMIN
from infrastructure import clock
from infrastructure.bootstrap import App, bootstrap
from infrastructure.settings import load_settings
from infrastructure.store.reader import stream_events
from projections.preparing import prepare
from tests.support.loop_client import LoopClient
from tests.support.postgres import Database
from web.app import create_app, wrapped

KEYS = tuple(base64.b64encode(hashlib.sha256(name).digest()).decode() for name in (b"secret", b"wrapping", b"ledger"))
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
CALLBACK = "https://app.example/cb"
REAL_SCOPES = "account:read projects:query catalog:read projects:develop jobs:run"
ALL_SCOPES = f"offline_access {REAL_SCOPES}"
ISSUER = "http://localhost:8000"
MCP = "http://localhost:8001/api/ai/v1/mcp"
API = "http://localhost:8000/api/v1"
CLI = Origin("cli")
OAUTH = Origin("oauth", "203.0.113.5", "test-client/1")


class PlainPasswords:
    """Passwords without argon2's time."""

    def hash(self, password: str) -> str:
        return f"plain:{password}"

    def verify(self, password: str, secret: str | None) -> bool:
        return secret == f"plain:{password}"


@dataclass
class Turned:
    """The system's clock, turned forward by a test."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return clock.now() + self.ahead


@dataclass
class World:
    app: App
    clock: Turned
    database: Database
    http: FlaskClient
    front: WsgiClient
    worker: LoopClient
    account_id: str
    admin_id: str
    projects: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, tuple[str, str]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def services(self) -> Services:
        return self.app.services

    @property
    def account(self) -> Account:
        found = self.services.store.load(Account, UUID(self.account_id))
        assert found is not None
        return found

    def limit(self, **changes: int) -> None:
        """Change the limits of a server that runs already."""
        object.__setattr__(self.services, "limits", replace(self.services.limits, **changes))

    def later(self, **time: float) -> None:
        self.clock.ahead += timedelta(**time)

    def policy(self, **changes: str) -> None:
        manage_policies.change_policy(self.services, self.account_id, changes, actor_id=self.admin_id, origin=CLI)

    def member(self, role: str = ACCOUNT_ADMIN, projects: Sequence[str] = ()) -> str:
        """A new member's id."""
        email = f"m{next(self._numbers)}@jaffle.example"
        added = manage_members.add_member(
            self.services, self.account_id, email=email, name="M", role=role, projects=projects, actor_id=self.admin_id, origin=CLI
        )
        return str(added.member_id)

    # ---- a client's way

    def register(self, **metadata: Any) -> dict[str, Any]:
        """The answer to a registration that must succeed."""
        response = self.try_register(**metadata)
        assert response.status_code == 201, response.text
        return dict(response.get_json())

    def try_register(self, **metadata: Any) -> TestResponse:
        document = {"client_name": "Tool", "redirect_uris": [CALLBACK], **metadata}
        return self.http.post("/oauth/register", json=document, environ_base={"REMOTE_ADDR": "203.0.113.5"})

    def client_id(self, **metadata: Any) -> str:
        return str(self.register(**metadata)["client_id"])

    def authorize(self, client_id: str, /, **params: Any) -> TestResponse:
        """GET /oauth/authorize with sound parameters, changed by `params` (None leaves one out, a list repeats it); by the admin where
        one has to sign in first."""
        asked = {
            "response_type": "code", "client_id": client_id, "redirect_uri": CALLBACK, "scope": ALL_SCOPES, "state": "s-1",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256", "resource": MCP, **params,
        }  # fmt: skip
        url = f"/oauth/authorize?{urlencode({k: v for k, v in asked.items() if v is not None}, doseq=True)}"
        response = self.http.get(url)
        return self.browser.get(url) if response.headers.get("Location", "").startswith("/sign-in?") else response

    @cached_property
    def browser(self) -> FlaskClient:
        """The admin's browser, signed in."""
        browser, now, secret = self.http.application.test_client(), self.clock(), "s" * 40
        id_hash = hashlib.sha256(secret.encode()).digest()
        self.services.store.tables().add_browser_session(id_hash, self.account_id, self.admin_id, uuid4(), now, now + timedelta(days=1))
        browser.set_cookie("gb_session", secret)
        return browser

    def pending(self, client_id: str, **params: Any) -> begin_authorization.PendingRequest:
        response = self.authorize(client_id, **params)
        assert response.status_code == 303, response.text
        where = urlsplit(response.headers["Location"])
        assert where.path == "/consent", response.headers["Location"]
        found = begin_authorization.pending(self.services, self.account_id, parse_qs(where.query)["request"][0])
        assert found is not None
        return found

    def approve(
        self,
        client_id: str,
        member_id: str | None = None,
        *,
        scopes: str = REAL_SCOPES,
        projects: Any = "all",
        keep_alive: bool = True,
        **params: Any,
    ) -> dict[str, str]:
        """The parameters with which the browser comes back to the client."""
        url = approve_consent.approve(
            self.services, self.pending(client_id, **params), member_id or self.admin_id, scopes=scopes.split(),
            project_access="all" if projects == "all" else "selected", project_ids=() if projects == "all" else projects,
            keep_alive=keep_alive, text="the page", origin=Origin("ui", "203.0.113.9", "browser"),
        )  # fmt: skip
        return {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}

    def post(self, path: str, *, headers: Any = None, through_flask: bool = False, **fields: Any) -> TestResponse:
        """POST a form as a client would: to a worker's event loop, which leaves the rest to Flask, or by Flask alone."""
        body = urlencode({k: v for k, v in fields.items() if v is not None}, doseq=True)
        short: Any = self.worker if self.worker.wsgi is self.front.application else self.front  # another server's front may stand in a copy
        client: Any = self.http if through_flask else short
        response: TestResponse = client.post(
            path, data=body, content_type="application/x-www-form-urlencoded", headers=headers, environ_base={"REMOTE_ADDR": "203.0.113.5"}
        )
        return response

    def exchange(self, client_id: str, code: str, /, **changes: Any) -> TestResponse:
        fields = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "code_verifier": VERIFIER,
            "redirect_uri": CALLBACK,
            **changes,
        }
        return self.post("/oauth/token", **fields)

    def refresh(self, client_id: str, refresh_token: str, /, **changes: Any) -> TestResponse:
        return self.post("/oauth/token", **{"grant_type": "refresh_token", "client_id": client_id, "refresh_token": refresh_token, **changes})

    def tokens(self, client_id: str, member_id: str | None = None, **how: Any) -> dict[str, Any]:
        """Approve and exchange: the token answer."""
        response = self.exchange(client_id, self.approve(client_id, member_id, **how)["code"])
        assert response.status_code == 200, response.text
        return dict(response.get_json())

    def introspect(self, token: str, resource: str = MCP) -> dict[str, Any]:
        resource_id, secret = self.credentials[resource]
        basic = base64.b64encode(f"{resource_id}:{secret}".encode()).decode()
        response = self.post("/oauth/introspect", headers={"Authorization": f"Basic {basic}"}, token=token)
        assert response.status_code == 200, response.text
        return dict(response.get_json())

    # ---- what is recorded

    def events(self, stream_id: str | UUID) -> list[RecordedEvent]:
        with psycopg.connect(self.database.web_dsn) as conn:
            return list(stream_events(conn, self.app.store.mapper, UUID(str(stream_id))))

    def topics(self, stream_id: str | UUID) -> list[str]:
        return [type(event).TOPIC for event in self.events(stream_id)]

    def grant_id(self, tokens: dict[str, Any]) -> UUID:
        claims = self.services.access_tokens.read(tokens["access_token"], self.services.clock())
        assert claims is not None
        return UUID(claims["grant_id"])


@contextmanager
def oauth_world(database: Database) -> Iterator[World]:
    """An Enterprise account with two projects, an admin, and the MCP endpoint and the API as resources."""
    environ = {
        "GRANTBOOK_DATABASE_URL": database.web_dsn,
        "GRANTBOOK_BASE_URL": ISSUER,
        "GRANTBOOK_GATEWAY_PORT": "8001",
        "GRANTBOOK_REGISTRATION_LIMIT_PER_ADDRESS": "100000",
    }
    environ |= dict(zip(("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY"), KEYS, strict=True))
    with psycopg.connect(database.web_dsn, autocommit=True) as conn:
        prepare(conn)
    turned = Turned()
    app = bootstrap(load_settings(environ), clock=turned, passwords=PlainPasswords())
    flask = create_app(app)
    opened = open_account.open_account(
        app.services, slug="jaffle", name="Jaffle Analytics", admin_email="admin@jaffle.example", admin_name="Ada", password=None, origin=CLI
    )
    served, ids = wrapped(app, flask), (str(opened.account.id), str(opened.admin.id))
    world = World(app, turned, database, flask.test_client(), WsgiClient(served), LoopClient(served), *ids)
    for name in ("Sales", "Marketing"):
        manage_projects.add(app.services, world.account_id, name, actor_id=world.admin_id, origin=CLI)
    world.projects = {name: project_id for project_id, name in world.account.projects.items()}
    for identifier in (MCP, API):
        made = manage_resources.rotate(app.services, world.account_id, identifier, actor_id=world.admin_id, origin=CLI)
        world.credentials[identifier] = (made.resource_id, made.secret)
    try:
        yield world
    finally:
        world.worker.close()
        app.close()
