"""What goes back to a client: JSON that nobody keeps, and never more of an upstream's answer than its message."""

from __future__ import annotations

from typing import Any

import httpx
from flask import Response, jsonify

from web.mcp import messages

RETURNED = ("retry-after",)
JSON, EVENTS = "application/json", "text/event-stream"
_REFUSED_US = frozenset({401, 403, 407})


def json_answer(body: dict[str, Any], status: int) -> Response:
    """A JSON answer that nobody keeps."""
    response = jsonify(body)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def refused(status: int, text: str, message_id: Any = None, code: int = messages.INVALID_REQUEST) -> Response:
    """A JSON-RPC error with a status."""
    return json_answer(messages.error_body(code, text, message_id), status)


def bad_gateway(text: str, message_id: Any = None) -> Response:
    """502: the upstream gave nothing that can be passed on."""
    return refused(502, text, message_id, messages.INTERNAL_ERROR)


def patience(status: int, text: str, seconds: int, message_id: Any) -> Response:
    """429 or 503: later."""
    response = refused(status, text, message_id, messages.INTERNAL_ERROR)
    response.headers["Retry-After"] = str(seconds)
    return response


def media_type(answer: httpx.Response) -> str:
    """The media type of an upstream's answer, without parameters."""
    return str(answer.headers.get("content-type", "")).split(";")[0].strip().lower()


def relayed(answer: httpx.Response, body: bytes, message_id: Any) -> Response:
    """An upstream's whole answer. What is no message of MCP (an error page, a redirect, a refusal of the gateway itself) is replaced by one."""
    status, kind = answer.status_code, media_type(answer)
    if status in _REFUSED_US or 300 <= status < 400:
        return bad_gateway("The service behind this endpoint did not accept the request.", message_id)
    if body and kind not in (JSON, EVENTS):
        if status < 400:
            return bad_gateway("The service behind this endpoint gave an answer that is no message.", message_id)
        response = refused(status, "The service behind this endpoint reports an error.", message_id, messages.INTERNAL_ERROR)
    else:
        response = Response(body, status, content_type=kind if body else None)
        if not body:
            del response.headers["Content-Type"]
    return with_headers(response, answer)


def with_headers(response: Response, answer: httpx.Response) -> Response:
    """The headers of an upstream's answer that may pass."""
    for name in RETURNED:
        if name in answer.headers:
            response.headers[name] = answer.headers[name]
    response.headers["Cache-Control"] = "no-store"
    return response
