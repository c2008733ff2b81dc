"""Two accounts on one server, each under a host of its own: one to act, and another that has things worth finding."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import uuid4

import psycopg
from flask.testing import FlaskClient
from werkzeug.test import Client as WsgiClient
from werkzeug.test import TestResponse

from application import manage_members, manage_projects, manage_resources, open_account
from application.browser_sessions import SESSION_LIFE
from application.register_client import register_manual
from application.services import Services
from infrastructure.bootstrap import App, bootstrap
from infrastructure.settings import load_settings
from projections.preparing import prepare
from tests.support.loop_client import LoopClient
from tests.support.oauth_world import ALL_SCOPES, CALLBACK, CLI, KEYS, PlainPasswords, Turned, World
from tests.support.postgres import Database
from web.app import create_app, wrapped

BASE_URL = "http://{account}.grants.localhost:8000"
PASSWORD = "correct horse battery"
API_SCOPES = "account:read account:manage"


class Browser(FlaskClient):
    """Asks one host unless told otherwise."""

    base = "http://localhost"

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{"base_url": self.base, **kwargs})


class Program(WsgiClient):
    """The same before Flask."""

    base = "http://localhost"

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{"base_url": self.base, **kwargs})


@dataclass
class AccountWorld(World):
    """One account of the server, asked under its own host."""

    slug: str = ""
    host: str = ""
    member_ids: dict[str, str] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        return self.app.directory.services_of(self.account_id)

    @property
    def issuer(self) -> str:
        return self.services.issuer

    @property
    def mcp(self) -> str:
        return self.services.mcp_url

    @property
    def api(self) -> str:
        return self.services.api_url

    def authorize(self, client_id: str, /, **params: Any) -> TestResponse:
        return super().authorize(client_id, **{"resource": self.mcp, **params})

    @cached_property
    def browser(self) -> FlaskClient:
        return self.signed_in(self.admin_id)

    def signed_in(self, member_id: str) -> Browser:
        """A browser with a session of this member."""
        browser = Browser(self.http.application, use_cookies=True)
        browser.base = f"http://{self.host}"
        browser.set_cookie("gb_session", self.session(member_id), domain=self.host.partition(":")[0])
        return browser

    def session(self, member_id: str) -> str:
        """The secret of a new browser session."""
        now, secret = self.clock(), f"session-{uuid4().hex}"
        id_hash = hashlib.sha256(secret.encode()).digest()
        self.services.store.tables().add_browser_session(id_hash, self.account_id, member_id, uuid4(), now, now + SESSION_LIFE)
        return secret

    def api_token(self) -> str:
        """An access token of the admin for the API, with everything."""
        return str(self.tokens(self.script(), scopes=API_SCOPES, scope=f"{API_SCOPES} offline_access", resource=self.api)["access_token"])

    def script(self) -> str:
        """A client that an admin added, which may ask for everything."""
        scopes = [*API_SCOPES.split(), *(s for s in ALL_SCOPES.split() if s != "account:read")]
        facts: dict[str, Any] = {"name": f"{self.slug} script", "redirect_uris": [CALLBACK], "scopes": scopes, "homepage": None}
        return register_manual(self.services, self.account_id, **facts, actor_id=self.admin_id, origin=CLI).client_id


@dataclass
class TwoAccounts:
    """`acme` acts; `umbra` is the other, whose names and ids nobody of acme may see."""

    app: App
    database: Database
    acme: AccountWorld
    umbra: AccountWorld

    def client(self, host: str) -> Browser:
        """A browser without any session at this host."""
        browser = Browser(self.acme.http.application, use_cookies=True)
        browser.base = f"http://{host}"
        return browser


@contextmanager
def two_accounts(database: Database) -> Iterator[TwoAccounts]:
    """A server whose hosts tell its accounts apart."""
    environ = {
        "GRANTBOOK_DATABASE_URL": database.web_dsn,
        "GRANTBOOK_BASE_URL": BASE_URL,
        "GRANTBOOK_GATEWAY_PORT": "8001",
        "GRANTBOOK_REGISTRATION_LIMIT_PER_ADDRESS": "100000",
    }
    environ |= dict(zip(("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY"), KEYS, strict=True))
    with psycopg.connect(database.web_dsn, autocommit=True) as conn:
        prepare(conn)
    turned = Turned()
    app = bootstrap(load_settings(environ), clock=turned, passwords=PlainPasswords())
    flask = create_app(app)
    served = wrapped(app, flask)
    worker = LoopClient(served)

    def opened(slug: str, name: str, people: dict[str, str], projects: list[str]) -> AccountWorld:
        services, host = app.directory.services_named(slug), f"{slug}.grants.localhost:8000"
        made = open_account.open_account(
            services, slug=slug, name=name, admin_email=f"{people['admin']}@{slug}.example".lower(), admin_name=people["admin"],
            password=PASSWORD, origin=CLI, several=True,
        )  # fmt: skip
        http, front = Browser(flask, use_cookies=True), Program(served)
        http.base = front.base = f"http://{host}"
        found = AccountWorld(app, turned, database, http, front, worker.at(host), str(made.account.id), str(made.admin.id), slug=slug, host=host)
        found.member_ids["admin"] = found.admin_id
        for project in projects:
            found.projects[project] = manage_projects.add(services, found.account_id, project, origin=CLI).project_id
        for role, person in people.items():
            if role != "admin":
                email = f"{person}@{slug}.example".lower()
                added = manage_members.add_member(
                    services, found.account_id, email=email, name=person, role=role, password=PASSWORD, origin=CLI
                )  # fmt: skip
                found.member_ids[role] = str(added.member_id)
        for identifier in (found.mcp, found.api):
            rotated = manage_resources.rotate(services, found.account_id, identifier, origin=CLI)
            found.credentials[identifier] = (rotated.resource_id, rotated.secret)
        return found

    acme = opened("acme", "Acme Works", {"admin": "Ada", "Job Operator": "Otto"}, ["Sales", "Marketing"])
    umbra = opened("umbra", "Umbra Holdings", {"admin": "Quillan", "Job Operator": "Vesper"}, ["Obsidian", "Halcyon"])
    try:
        yield TwoAccounts(app, database, acme, umbra)
    finally:
        worker.close()
        app.close()
