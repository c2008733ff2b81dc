"""What an endpoint answers: status, headers and body, the same for Flask and for the front."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

Headers = list[tuple[str, str]]
NO_STORE: Headers = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]
CORS: Headers = [("Access-Control-Allow-Origin", "*")]
PREFLIGHT: Headers = [
    *CORS,
    ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type, MCP-Protocol-Version"),
    ("Access-Control-Max-Age", "3600"),
]
SAFE: Headers = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")]
_JSON: Headers = [("Content-Type", "application/json"), *NO_STORE, *SAFE]
_WITH_CORS: Headers = [*_JSON, *CORS, ("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")]
_encode = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """One HTTP answer. `lines` are its headers as they are sent, where they were prepared."""

    status: int
    headers: Headers
    body: bytes
    lines: bytes | None = None


def lines_of(headers: Headers) -> bytes:
    """The headers as they are sent; `ValueError` if one holds what would end it."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or "\0" in lines:
        raise ValueError("a header holds what would end it")
    return lines.encode("latin-1")


_JSON_LINES, _LINES_WITH_CORS = lines_of(_JSON), lines_of(_WITH_CORS)


def as_json(status: int, payload: dict[str, Any], extra: Headers | None = None, *, cors: bool = True) -> Answer:
    """JSON that nobody may store (RFC 6749 5.1)."""
    headers = _WITH_CORS if cors else _JSON
    if extra:
        return Answer(status, [*headers, *extra], _encode(payload))
    return Answer(status, headers, _encode(payload), _LINES_WITH_CORS if cors else _JSON_LINES)


def empty(status: int, extra: Headers, *, cors: bool = True) -> Answer:
    """An answer without a body."""
    return Answer(status, [*NO_STORE, *SAFE, *(CORS if cors else []), *extra], b"")


def method_not_allowed(allowed: str) -> Answer:
    """405 with the methods that are served."""
    payload = {"error": "invalid_request", "error_description": f"This endpoint takes {allowed}."}
    return as_json(405, payload, [("Allow", f"{allowed}, OPTIONS")])
