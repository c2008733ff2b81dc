"""JSON-RPC messages of MCP as the gateway reads them: one message a request, its method and the operation it names."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

import msgspec
from werkzeug.datastructures import Headers

MAX_BODY = 4 * 1024 * 1024
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, HEADER_MISMATCH = -32700, -32600, -32601, -32602, -32001
_NAME_FIELD = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_ENCODED = re.compile(r"=\?base64\?([A-Za-z0-9+/=]*)\?=\Z")
FREE_METHODS = frozenset({
    "initialize", "ping", "server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "logging/setLevel",
    "completion/complete", "subscriptions/listen",
})  # fmt: skip
"""Methods that reveal no data of a project: any live token may call them. Everything else needs a scope."""


class MessageError(Exception):
    """The body is no MCP message; `code` is JSON-RPC's."""

    def __init__(self, message: str, code: int = INVALID_REQUEST, message_id: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message_id = message_id


@dataclass(frozen=True, slots=True)
class Message:
    """One JSON-RPC message. `name` is the tool, prompt or resource that it names; `arguments` those of a tool call."""

    raw: bytes
    id: Any
    method: str
    name: str | None
    arguments: dict[str, Any]

    @property
    def is_response(self) -> bool:
        """An answer of the client to a request of the server."""
        return not self.method

    @property
    def is_free(self) -> bool:
        """Whether a live token is enough for it."""
        return self.is_response or self.method in FREE_METHODS or self.method.startswith("notifications/")


def read_message(raw: bytes, headers: Headers) -> Message:
    """The one message of a request body; `MessageError` says what is wrong with it or with the headers that mirror it."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MessageError("The body is not JSON.", PARSE_ERROR) from None
    if isinstance(body, list):
        raise MessageError("Batches are not supported: send one message a request.")
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0":
        raise MessageError("The body is not a JSON-RPC 2.0 message.")
    message_id, method, params = body.get("id"), body.get("method", ""), body.get("params") or {}
    if isinstance(message_id, bool | dict | list):
        raise MessageError("id must be a string or a number.")
    if not isinstance(method, str) or not isinstance(params, dict) or (not method and not ("result" in body or "error" in body)):
        raise MessageError("method must be a string and params an object.", message_id=message_id)
    message = Message(raw, message_id, method, *_named(method, params, message_id))
    _check_mirrors(message, headers)
    return message


def _named(method: str, params: dict[str, Any], message_id: Any) -> tuple[str | None, dict[str, Any]]:
    field = _NAME_FIELD.get(method)
    if field is None:
        return None, {}
    name, arguments = params.get(field), params.get("arguments") or {}
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        raise MessageError(f"{method} needs params.{field} as a string and arguments as an object.", INVALID_PARAMS, message_id)
    return name, arguments


def _check_mirrors(message: Message, headers: Headers) -> None:
    """Mcp-Method and Mcp-Name repeat what the body says (MCP 2026-07-28); a proxy may have routed by them, so they must agree."""
    method, name = headers.get("Mcp-Method"), headers.get("Mcp-Name")
    if method is not None and method != message.method:
        raise MessageError("The Mcp-Method header does not match the body's method.", HEADER_MISMATCH, message.id)
    if name is not None and message.name is not None and _decoded(name) != message.name:
        raise MessageError("The Mcp-Name header does not match the body.", HEADER_MISMATCH, message.id)


def _decoded(value: str) -> str | None:
    match = _ENCODED.match(value)
    if not match:
        return value
    try:
        return base64.b64decode(match.group(1), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def error_body(code: int, message: str, message_id: Any = None) -> dict[str, Any]:
    """A JSON-RPC error answer."""
    return {"jsonrpc": "2.0", "id": message_id, "error": {"code": code, "message": message}}


def tool_error(message_id: Any, text: str) -> dict[str, Any]:
    """A tool's answer that says why it did nothing, in words that a model can act on."""
    return {"jsonrpc": "2.0", "id": message_id, "result": {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": True}}
