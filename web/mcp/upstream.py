"""The way to an upstream: one kept HTTP client for each, over TCP or a Unix socket, with an assertion in the place of the client's token."""

from __future__ import annotations

import base64
import hashlib
import threading
from time import sleep
from typing import Any

import httpx
from werkzeug.datastructures import Headers

FORWARDED = ("Content-Type", "Accept", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Last-Event-ID")
RETURNED = ("content-type", "cache-control")
TIMEOUT = httpx.Timeout(connect=5, read=120, write=30, pool=10)
ASSERTION_LIFETIME = 60
RECONNECT_PAUSES = (0.1, 0.3, 0.6, 1.0)
"""Seconds between tries to reach an upstream."""


class UpstreamUnreachable(Exception):
    """The upstream does not answer."""


class Upstreams:
    """HTTP clients by upstream. An upstream is an http(s) URL, or `unix:SOCKET` with an optional `#/path` (default `/mcp`)."""

    def __init__(self) -> None:
        self._clients: dict[str, tuple[httpx.Client, str]] = {}
        self._lock = threading.Lock()

    def open(self, upstream: str, method: str, headers: dict[str, str], body: bytes | None) -> httpx.Response:
        """Send a request; the answer's body is not read yet and must be closed. `UpstreamUnreachable` if there is none."""
        client, url = self._client(upstream)
        pauses = iter(RECONNECT_PAUSES)
        while True:
            try:
                return client.send(client.build_request(method, url, headers=headers, content=body), stream=True)
            except httpx.ConnectError as error:  # nothing was sent: an upstream that restarts gets a moment
                pause = next(pauses, None)
                if pause is None:
                    raise UpstreamUnreachable(type(error).__name__) from error
                sleep(pause)
            except httpx.HTTPError as error:
                raise UpstreamUnreachable(type(error).__name__) from error

    def _client(self, upstream: str) -> tuple[httpx.Client, str]:
        with self._lock:
            if upstream not in self._clients:
                self._clients[upstream] = _connect(upstream)
            return self._clients[upstream]


def _connect(upstream: str) -> tuple[httpx.Client, str]:
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=16)
    if upstream.startswith("unix:"):
        socket, _, path = upstream[5:].partition("#")
        transport = httpx.HTTPTransport(uds=socket, limits=limits)
        return httpx.Client(transport=transport, timeout=TIMEOUT, trust_env=False), f"http://localhost{path or '/mcp'}"
    return httpx.Client(timeout=TIMEOUT, limits=limits, trust_env=False, follow_redirects=False), upstream


def forwarded_headers(headers: Headers, assertion: str, session: str | None) -> dict[str, str]:
    """The headers that an upstream gets: those of MCP's transport, its own session id, and the assertion; never the client's token or cookies."""
    passed = {name: headers[name] for name in FORWARDED if name in headers}
    passed |= {name: value for name, value in headers.items() if name.lower().startswith("mcp-param-")}
    passed["Authorization"] = f"Bearer {assertion}"
    if session:
        passed["Mcp-Session-Id"] = session
    return passed


def body_digest(body: bytes) -> str:
    """base64url of the body's SHA-256, which the assertion carries."""
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()


def assertion_claims(
    *, issuer: str, upstream: str, now: int, token_id: str, body: bytes, claims: dict[str, Any], scope: str, projects: tuple[str, ...]
) -> dict[str, Any]:
    """What the gateway vouches for: who, through which client and grant, for this one body, with only the scope and projects of this call."""
    return {
        "iss": issuer, "aud": upstream, "iat": now, "exp": now + ASSERTION_LIFETIME, "jti": token_id, "sub": claims["sub"],
        "client_id": claims["client_id"], "grant_id": claims["grant_id"], "scope": scope, "projects": list(projects),
        "body_sha256": body_digest(body),
    }  # fmt: skip
