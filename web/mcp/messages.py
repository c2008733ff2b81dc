"""JSON-RPC messages of MCP as the gateway reads them: one message a request, its method and what it names."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from werkzeug.datastructures import Headers

MAX_BODY = 4 * 1024 * 1024
LONGEST_NAME = 2048
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR, HEADER_MISMATCH = -32700, -32600, -32601, -32602, -32603, -32020
_NAMED = {
    "tools/call": ("tools", "name"), "prompts/get": ("prompts", "name"), "resources/read": ("resources", "uri"),
    "resources/subscribe": ("resources", "uri"), "resources/unsubscribe": ("resources", "uri"),
}  # fmt: skip
_REFERENCES = {"ref/prompt": ("prompts", "name"), "ref/resource": ("resources", "uri")}
_MIRRORED = frozenset({"tools/call", "prompts/get", "resources/read"})
_MEMBERS = frozenset({
    "jsonrpc", "id", "method", "params", "result", "error", "name", "uri", "arguments", "ref", "type", "notifications", "resourceSubscriptions",
})  # fmt: skip
_FOLDED = frozenset(member.casefold() for member in _MEMBERS)
_ENCODED = re.compile(r"=\?base64\?([A-Za-z0-9+/=]*)\?=\Z")
_FREE = frozenset({
    "initialize", "ping", "server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "logging/setLevel",
})  # fmt: skip


class MessageError(Exception):
    """The body is no MCP message; `code` is JSON-RPC's."""

    def __init__(self, message: str, code: int = INVALID_REQUEST, message_id: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message_id = message_id


@dataclass(frozen=True, slots=True)
class Message:
    """One JSON-RPC message. `names` are the tools, prompts or resources (`kind`) that it is about; `arguments` those of a call.

    `body` is the message written anew, so that an upstream reads what was judged here, whatever its parser makes of repeated members.
    """

    body: bytes
    id: Any
    method: str
    kind: str | None
    names: tuple[str, ...]
    arguments: dict[str, Any]

    @property
    def is_response(self) -> bool:
        """An answer of the client to a request of the server."""
        return not self.method

    @property
    def is_free(self) -> bool:
        """Whether a live token is enough for it: it reveals no data of a project. Everything else needs a scope."""
        if self.method == "subscriptions/listen":
            return not self.names
        return self.is_response or self.method in _FREE or self.method.startswith("notifications/")


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
    message_id, method = body.get("id"), body.get("method", "")
    if isinstance(message_id, bool | dict | list):
        raise MessageError("id must be a string or a number.")
    params = {} if body.get("params") is None else body["params"]
    if not isinstance(method, str) or not isinstance(params, dict) or (not method and not ("result" in body or "error" in body)):
        raise MessageError("method must be a string and params an object.", message_id=message_id)
    _check_spelling(body, message_id)
    kind, names = _named(method, params, message_id)
    message = Message(msgspec.json.encode(body), message_id, method, kind, names, _arguments(params, message_id) if kind else {})
    _check_mirrors(message, headers)
    return message


def _check_spelling(body: dict[str, Any], message_id: Any) -> None:
    """Some JSON parsers take `Name` for `name`: an upstream of that kind would call something else than was judged."""
    params = body.get("params") or {}
    inner = [params.get("ref"), params.get("notifications")]
    for members in (body, params, *(part for part in inner if isinstance(part, dict))):
        wrong = next((m for m in members if m not in _MEMBERS and m.casefold() in _FOLDED), None)
        if wrong is not None:
            raise MessageError(f"{wrong[:40]!r} is not a member: names are case-sensitive.", message_id=message_id)


def _named(method: str, params: dict[str, Any], message_id: Any) -> tuple[str | None, tuple[str, ...]]:
    if method == "subscriptions/listen":
        return "resources", tuple(_text(uri, method, "resourceSubscriptions", message_id) for uri in _subscribed(params, message_id))
    if method == "completion/complete":
        reference = params.get("ref")
        if not isinstance(reference, dict) or reference.get("type") not in ("ref/prompt", "ref/resource"):
            raise MessageError("completion/complete needs params.ref, a prompt or a resource.", INVALID_PARAMS, message_id)
        kind, field = _REFERENCES[reference["type"]]
        return kind, (_text(reference.get(field), method, f"ref.{field}", message_id),)
    if method in _NAMED:
        kind, field = _NAMED[method]
        return kind, (_text(params.get(field), method, field, message_id),)
    return None, ()


def _subscribed(params: dict[str, Any], message_id: Any) -> Iterable[Any]:
    wanted = params.get("notifications")
    listed = (wanted.get("resourceSubscriptions") if isinstance(wanted, dict) else None) or ()
    if not isinstance(listed, list | tuple) or len(listed) > 100:
        raise MessageError("resourceSubscriptions is a list of at most 100 URIs.", INVALID_PARAMS, message_id)
    return listed


def _text(value: Any, method: str, field: str, message_id: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME:
        raise MessageError(f"{method} needs params.{field} as a string of at most {LONGEST_NAME} characters.", INVALID_PARAMS, message_id)
    return value


def _arguments(params: dict[str, Any], message_id: Any) -> dict[str, Any]:
    arguments = params.get("arguments")
    if arguments is not None and not isinstance(arguments, dict):
        raise MessageError("arguments must be an object.", INVALID_PARAMS, message_id)
    return arguments or {}


def _check_mirrors(message: Message, headers: Headers) -> None:
    """Mcp-Method and Mcp-Name repeat what the body says (MCP 2026-07-28); a proxy may have routed by them, so they must agree."""
    method, name = headers.get("Mcp-Method"), headers.get("Mcp-Name")
    if method is not None and method != message.method:
        raise MessageError("The Mcp-Method header does not match the body's method.", HEADER_MISMATCH, message.id)
    if name is not None and (message.method not in _MIRRORED or _decoded(name) != message.names[0]):
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
