"""The product's own use cases on a running demo's store, from the test's process: many members, codes and sessions quickly."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import psycopg

from application import manage_members
from application.approve_consent import approve
from application.begin_authorization import PendingRequest, begin
from application.services import Origin, Services
from domain.ids import consent_stream
from infrastructure.bootstrap import App, bootstrap
from infrastructure.embedded import EmbeddedPostgres
from infrastructure.settings import load_settings
from tests.support.demo import Demo
from tests.support.http_flow import CALLBACK, pkce

ORIGIN = Origin("oauth", "127.0.0.1", "tests/1.0")
SCOPES = ("account:read", "projects:query", "catalog:read", "projects:develop", "jobs:run")


@dataclass(frozen=True)
class Code:
    """A code that nobody has exchanged yet, with all that its client knows."""

    client_id: str
    member_id: str
    consent_id: str
    code: str
    verifier: str


@dataclass(frozen=True)
class Inside:
    """The demo's store and use cases."""

    app: App
    account_id: str
    demo: Demo

    @property
    def services(self) -> Services:
        return self.app.services

    @staticmethod
    def uuid(text: str) -> UUID:
        return UUID(text)

    def member(self, number: int, role: str = "Job Operator") -> str:
        """A new member without a password; its id."""
        email, name = f"m{number}@jaffle.example", f"Member {number}"
        added = manage_members.add_member(self.services, self.account_id, email=email, name=name, role=role, origin=Origin("cli"))
        return str(added.member_id)

    def code(self, client_id: str, member_id: str, *, scopes: Sequence[str] = SCOPES, keep_alive: bool = True) -> Code:
        """The member's consent to all projects, and its code."""
        verifier, challenge = pkce()
        asked = {"client_id": client_id, "redirect_uri": CALLBACK, "response_type": "code", "scope": " ".join(scopes)}
        parameters = {**asked, "code_challenge": challenge, "code_challenge_method": "S256"}
        pending = begin(self.services, self.account_id, {k: [v] for k, v in parameters.items()}, ORIGIN)
        assert isinstance(pending, PendingRequest), pending
        choice = {"scopes": scopes, "project_access": "all", "project_ids": (), "keep_alive": keep_alive}
        url = approve(self.services, pending, member_id, **choice, text="test", origin=ORIGIN)  # type: ignore[arg-type]
        consent = str(consent_stream(self.account_id, member_id, pending.client_stream))
        return Code(client_id, member_id, consent, parse_qs(urlsplit(url).query)["code"][0], verifier)

    def exchange(self, code: Code, http: httpx.Client) -> httpx.Response:
        form = {"grant_type": "authorization_code", "code": code.code, "code_verifier": code.verifier, "client_id": code.client_id}
        return http.post("/oauth/token", data={**form, "redirect_uri": CALLBACK})

    def resource(self) -> tuple[str, str]:
        """Fresh introspection credentials of the MCP endpoint."""
        answer = self.demo.cli("resource", "rotate", self.demo.mcp_url)
        return answer["id"], answer["secret"]

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """The store as its superuser."""
        with psycopg.connect(EmbeddedPostgres(self.demo.data_dir).superuser_dsn, autocommit=True) as connection:
            yield connection


@contextlib.contextmanager
def inside(demo: Demo) -> Iterator[Inside]:
    """The use cases on this demo's store."""
    environment = {
        "GRANTBOOK_DATA_DIR": str(demo.data_dir),
        "GRANTBOOK_BASE_URL": demo.base_url,
        "GRANTBOOK_GATEWAY_PORT": str(urlsplit(demo.mcp_url).port),
    }
    app = bootstrap(load_settings(environment))
    try:
        account_id = app.directory.account_for("localhost")
        assert account_id is not None
        yield Inside(app, account_id, demo)
    finally:
        app.close()
