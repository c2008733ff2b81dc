"""The gateway in the test's process, on a real store and in front of a real upstream, with clients that hold real tokens."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey
from werkzeug.test import TestResponse

from application import manage_resources
from bench.ports import free_ports
from domain.activity import Activity
from domain.consent import Consent
from domain.ids import client_stream_from, consent_stream
from infrastructure.store.reader import stream_events
from tests.support.oauth_world import CLI, MCP, World
from web.mcp.app import create_gateway
from web.mcp.wiring import Wiring

SCOPES = ("account:read", "projects:query", "catalog:read", "jobs:run")
OPERATIONS: dict[str, Any] = {
    "tools": {
        "query": {"scope": "projects:query", "project_argument": "project"},
        "stream": {"scope": "projects:query", "project_argument": "project"},
        "endless": {"scope": "projects:query"},
        "run": "jobs:run",
        "describe": {"scope": "catalog:read", "project_argument": "project"},
        "account": "account:read",
    },
    "prompts": {"ask": "catalog:read"},
    "resources": {"docs://public/*": "catalog:read", "docs://public/jobs/*": "jobs:run", "docs://exact": "projects:query"},
}
PATH = "/api/ai/v1/mcp"
HOST = "localhost:8001"


@dataclass(frozen=True)
class Seen:
    """A request as the upstream got it."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    @property
    def names(self) -> set[str]:
        return {k.lower() for k, _ in self.headers}

    @property
    def message(self) -> Any:
        return json.loads(self.body)

    @property
    def assertion(self) -> str:
        return str(self.header("Authorization")).removeprefix("Bearer ")


@dataclass
class Upstream:
    """The recording process."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def state(self) -> Any:
        return httpx.get(self.url, timeout=10, trust_env=False).json()

    def seen(self) -> list[Seen]:
        return [Seen(s["method"], s["path"], [(k, v) for k, v in s["headers"]], base64.b64decode(s["body"])) for s in self.state()["seen"]]

    @property
    def last(self) -> Seen:
        return self.seen()[-1]


@contextmanager
def running_upstream() -> Iterator[Upstream]:
    port = free_ports(1)
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("recording_upstream.py")), str(port)])
    running = Upstream(port, process)
    try:
        wait_until(lambda: _answers(running))
        yield running
    finally:
        process.kill()
        process.wait()


def _answers(upstream: Upstream) -> bool:
    try:
        upstream.state()
    except httpx.HTTPError:
        return False
    return True


def wait_until(holds: Any, patience: float = 20) -> None:
    """Wait for something that another process or thread does."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@dataclass
class GatewayWorld:
    """`call` and friends speak as the client whose token is given."""

    world: World
    upstream: Upstream
    flask: Flask
    http: FlaskClient
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def wiring(self) -> Wiring:
        wiring: Wiring = self.flask.extensions["grantbook.gateway"]
        return wiring

    def token(self, **how: Any) -> str:
        """An access token of a new client, from the admin, for all scopes and projects unless told otherwise.

        A client of its own, since a second consent for the same one narrows the first.
        """
        return str(self.world.tokens(self.world.client_id(), **how)["access_token"])

    @property
    def full(self) -> str:
        """One token for everything, made once."""
        if "full" not in self._tokens:
            self._tokens["full"] = self.token()
        return self._tokens["full"]

    def send(
        self, body: Any = None, *, token: str | None = None, method: str = "POST", path: str = PATH, host: str = HOST, headers: Any = None
    ) -> TestResponse:
        given = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **(headers or {})}
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        environ = {"REMOTE_ADDR": "203.0.113.7", "HTTP_HOST": host}
        return self.http.open(path, method=method, data=data, headers=given, environ_overrides=environ)

    def ask(self, method: str, params: Any = None, *, token: str | None = None, message_id: Any = 1, **how: Any) -> TestResponse:
        message = {"jsonrpc": "2.0", "id": message_id, "method": method, **({} if params is None else {"params": params})}
        return self.send(message, token=token or self.full, **how)

    def call(self, tool: str, arguments: Any = None, *, token: str | None = None, **how: Any) -> TestResponse:
        return self.ask("tools/call", {"name": tool, "arguments": arguments or {}}, token=token, **how)

    def claims(self, token: str) -> dict[str, Any]:
        found = self.world.services.access_tokens.read(token, self.world.services.clock())
        assert found is not None
        return found

    def verified(self, assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims of an assertion, its signature checked by another library with the published keys."""
        keys = {k["kid"]: k for k in self.http.get("/.well-known/jwks.json", base_url=f"http://{HOST}").get_json()["keys"]}
        kid = json.loads(base64.urlsafe_b64decode(assertion.partition(".")[0] + "=="))["kid"]
        found = jwt.decode(assertion, ECKey.import_key(keys[kid]), algorithms=["ES256"])
        return dict(found.header), dict(found.claims)

    def activities(self) -> list[Activity.Performed]:
        """Every `action.performed`, in the order in which they were appended."""
        with psycopg.connect(self.world.database.web_dsn) as conn:
            rows = conn.execute("SELECT originator_id FROM events WHERE topic = 'action.performed' ORDER BY notification_id").fetchall()
            events = [event for (stream,) in rows for event in stream_events(conn, self.world.app.store.mapper, stream)]
        return [event for event in events if isinstance(event, Activity.Performed)]

    def outcomes(self) -> list[tuple[str, str, str | None]]:
        return [(a.operation, a.outcome, a.detail) for a in self.activities()]

    def add_resource(self, identifier: str, upstream: str | None, **more: Any) -> None:
        operations = more.get("operations", OPERATIONS)
        manage_resources.add(
            self.world.services, self.world.account_id, identifier=identifier, scopes=SCOPES, upstream=upstream, operations=operations, origin=CLI
        )


def consent_of(gateway: GatewayWorld, token: str) -> UUID:
    """The consent under which a token was given."""
    claims, account_id = gateway.claims(token), gateway.world.account_id
    client_stream = client_stream_from(claims["client_id"], account_id)
    assert client_stream is not None
    stream = consent_stream(account_id, claims["sub"], str(client_stream))
    assert gateway.world.services.store.load(Consent, stream) is not None
    return stream


@contextmanager
def gateway_world(world: World, upstream: Upstream, *, recheck_seconds: float = 0.1) -> Iterator[GatewayWorld]:
    """The MCP resource of the world gets this upstream."""
    manage_resources.remove(world.services, world.account_id, MCP, origin=CLI)
    flask = create_gateway(world.app, recheck_seconds=recheck_seconds)
    made = GatewayWorld(world, upstream, flask, flask.test_client(use_cookies=False))
    made.add_resource(MCP, upstream.url)
    try:
        yield made
    finally:
        made.wiring.close()
