"""The way to an upstream: one kept HTTP client for each, over TCP or a Unix socket, with an assertion in the place of the client's token."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading
from http.cookiejar import CookieJar, DefaultCookiePolicy
from time import monotonic, sleep
from typing import Any

import httpx
from werkzeug.datastructures import Headers

from application.counting import count, took

FORWARDED = ("Content-Type", "Accept", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Last-Event-ID")
PARAMETERS = "mcp-param-"
TIMEOUT = httpx.Timeout(connect=5, read=300, write=30, pool=5)
MOST_CONNECTIONS = 512
KEPT_IDLE_SECONDS = 2.0
"""Less than servers keep an idle connection (uvicorn: 5 s), so that a request never meets one that is being closed."""
LARGEST_ANSWER = 32 * 1024 * 1024
ASSERTION_LIFETIME = 60
RECONNECT_PAUSES = (0.1, 0.3, 0.6, 1.0)
"""Seconds between tries to reach an upstream."""


class UpstreamUnreachable(Exception):
    """The upstream does not answer."""


class AnswerBroken(Exception):
    """The answer ended too early or is too large; the message says which."""


class Upstreams:
    """HTTP clients by upstream. An upstream is an http(s) URL, or `unix:SOCKET` with an optional `#/path` (default `/mcp`)."""

    def __init__(self, timeout: httpx.Timeout = TIMEOUT) -> None:
        self._timeout = timeout
        self._clients: dict[str, tuple[httpx.Client, str]] = {}
        self._lock = threading.Lock()

    def open(self, upstream: str, method: str, headers: dict[str, str], body: bytes | None) -> httpx.Response:
        """Send a request; the answer's body is not read yet and must be closed. `UpstreamUnreachable` if there is none."""
        pauses = iter(RECONNECT_PAUSES)
        while True:
            try:
                client, url = self._client(upstream)
                begun = monotonic()
                answer = client.send(client.build_request(method, url, headers=headers, content=body), stream=True)
            except httpx.ConnectError as error:  # nothing was sent: an upstream that restarts gets a moment
                pause = next(pauses, None)
                if pause is None:
                    count("upstream_failures")
                    raise UpstreamUnreachable(type(error).__name__) from error
                sleep(pause)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                count("upstream_failures")
                raise UpstreamUnreachable(type(error).__name__) from error
            else:
                took(monotonic() - begun, "upstream_seconds")
                return answer

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for client, _ in self._clients.values():
                client.close()
            self._clients.clear()

    def _client(self, upstream: str) -> tuple[httpx.Client, str]:
        with self._lock:
            if upstream not in self._clients:
                self._clients[upstream] = self._connect(upstream)
            return self._clients[upstream]

    def _connect(self, upstream: str) -> tuple[httpx.Client, str]:
        limits = httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=32, keepalive_expiry=KEPT_IDLE_SECONDS)
        named = {"User-Agent": "grantbook-gateway", "Accept-Encoding": "identity"}
        if upstream.startswith("unix:"):
            path, _, where = upstream[5:].partition("#")
            transport = httpx.HTTPTransport(uds=path, limits=limits)
            client = httpx.Client(transport=transport, timeout=self._timeout, headers=named, cookies=_no_cookies(), trust_env=False)
            return client, f"http://localhost{where or '/mcp'}"
        return httpx.Client(timeout=self._timeout, limits=limits, headers=named, cookies=_no_cookies(), trust_env=False), upstream


def _no_cookies() -> CookieJar:
    """A jar that keeps nothing: one client serves all users, so what an upstream sets for one must not go out with the next."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


def read_whole(answer: httpx.Response) -> bytes:
    """The body of an answer, which is closed; `AnswerBroken` if it breaks off or is larger than 32 MB."""
    parts, size = [], 0
    try:
        for chunk in answer.iter_bytes():
            size += len(chunk)
            if size > LARGEST_ANSWER:
                raise AnswerBroken("too large")
            parts.append(chunk)
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise AnswerBroken("broken off") from error
    finally:
        answer.close()
    return b"".join(parts)


def hang_up(answer: httpx.Response) -> None:
    """End an answer that another thread is reading: that thread sees the end and closes it. Closing it here could hit a reused descriptor."""
    stream = answer.extensions.get("network_stream")
    found = None if stream is None else stream.get_extra_info("socket")
    if isinstance(found, socket.socket):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(found, socket.SHUT_RDWR)  # past the override of a TLS socket, which is not for two threads


def forwarded_headers(headers: Headers, assertion: str, session: str | None, request_id: str) -> dict[str, str]:
    """The headers that an upstream gets: those of MCP's transport, its own session id, and the assertion; never the client's token or cookies."""
    passed = {name: headers[name] for name in FORWARDED if name in headers}
    passed |= {name: value for name, value in headers.items() if name.lower().startswith(PARAMETERS)}
    passed["Authorization"] = f"Bearer {assertion}"
    if request_id:
        passed["X-Request-Id"] = request_id
    if session:
        passed["Mcp-Session-Id"] = session
    return passed


def unsendable(headers: Headers) -> str | None:
    """The name of a header that would be passed on and holds what no header may hold."""
    for name, value in headers.items():
        passed = name.lower().startswith(PARAMETERS) or any(name.lower() == known.lower() for known in FORWARDED)
        if passed and not (value.isascii() and value.isprintable() and name.isascii()):
            return name
    return None


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
