"""Host and Origin checks of the gateway, against DNS rebinding (MCP transports, security warning), and its CORS headers."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request, Response

from domain.client import LOOPBACK_HOSTS

ALLOWED_HEADERS = "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID"
EXPOSED_HEADERS = "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version"


def host_allowed(request: Request, identifier: str) -> bool:
    """Whether the Host header names the resource itself; on this computer any loopback name with its port does."""
    expected, given = urlsplit(identifier), urlsplit(f"//{request.host}")
    try:
        given_port = given.port
    except ValueError:
        return False
    if expected.hostname in LOOPBACK_HOSTS:
        return given.hostname in LOOPBACK_HOSTS and (given_port or 80) == (expected.port or 80)
    return given.hostname == expected.hostname and (given_port or _default(expected.scheme)) == (expected.port or _default(expected.scheme))


def origin_allowed(origin: str | None, identifier: str, redirect_uris: tuple[str, ...]) -> bool:
    """Whether a browser page of this origin may use a token: this server's own, a page on this computer, or where the client is at home."""
    if origin is None:
        return True
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return False
    if parts.hostname in LOOPBACK_HOSTS:
        return True
    own = {_origin(identifier), *(_origin(uri) for uri in redirect_uris)}
    return _origin(origin) in own


def with_cors(response: Response, origin: str | None) -> Response:
    """Headers that let a browser client (MCP Inspector) read the answer and its challenge; cookies never count here."""
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        response.vary.add("Origin")
    return response


def preflight(origin: str | None) -> Response:
    """The answer to a preflight request."""
    response = with_cors(Response(status=204), origin or "*")
    response.headers["Access-Control-Allow-Methods"] = "POST, GET, DELETE, OPTIONS"
    response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
    response.headers["Access-Control-Max-Age"] = "600"
    return response


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{(parts.netloc or '').lower()}"


def _default(scheme: str) -> int:
    return 443 if scheme == "https" else 80
