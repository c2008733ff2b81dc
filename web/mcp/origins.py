"""Host and Origin checks of the gateway, against DNS rebinding (MCP transports, security warning), and its CORS headers."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import Response
from werkzeug.datastructures import Headers

from domain.client import LOOPBACK_HOSTS

ALLOWED_HEADERS = "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID"
EXPOSED_HEADERS = "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After, X-Request-Id"
_PARAMETER = re.compile(r"mcp-param-[a-z0-9_-]{1,64}\Z")
_PORTS = {"http": 80, "https": 443}


def host_allowed(host: str, identifier: str) -> bool:
    """Whether the Host header names the resource itself; on this computer any loopback name with its port does."""
    try:
        expected, given = urlsplit(identifier), urlsplit(f"//{host}")
        default = _PORTS[expected.scheme]
        same_port = (given.port or default) == (expected.port or default)
    except ValueError:
        return False
    if expected.hostname in LOOPBACK_HOSTS:
        return given.hostname in LOOPBACK_HOSTS and same_port
    return given.hostname == expected.hostname and same_port


def origin_allowed(origin: str | None, identifier: str, redirect_uris: tuple[str, ...]) -> bool:
    """Whether a browser page of this origin may use a token: this server's own, a page on this computer, or where the client is at home."""
    if origin is None:
        return True
    given = _origin(origin)
    if given is None:
        return False
    return given[1] in LOOPBACK_HOSTS or given in {_origin(identifier), *map(_origin, redirect_uris)}


def with_cors(response: Response, origin: str | None) -> Response:
    """Headers that let a browser client (MCP Inspector) read the answer and its challenge; cookies never count here."""
    if origin is not None and "Access-Control-Allow-Origin" not in response.headers:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        response.vary.add("Origin")
    return response


def preflight(headers: Headers) -> Response:
    """The answer to a preflight request; headers that repeat a tool's parameters (MCP 2026-07-28) are allowed by name."""
    asked = (name.strip().lower() for name in headers.get("Access-Control-Request-Headers", "").split(","))
    response = with_cors(Response(status=204), headers.get("Origin") or "*")
    del response.headers["Content-Type"]
    response.headers["Access-Control-Allow-Methods"] = "POST, GET, DELETE, OPTIONS"
    response.headers["Access-Control-Allow-Headers"] = ", ".join([ALLOWED_HEADERS, *(name for name in asked if _PARAMETER.match(name))])
    response.headers["Access-Control-Max-Age"] = "600"
    return response


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of an http(s) URL."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
            return None
        return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
    except ValueError:
        return None
