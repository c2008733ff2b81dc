"""Lists of an upstream (tools, prompts, resources), without what the user's own permissions can't reach."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from domain.account import Resource
from web.mcp import operations
from web.mcp.outcomes import EventReader, decoded

_LISTS = {
    "tools/list": ("tools", "tools", "name"),
    "prompts/list": ("prompts", "prompts", "name"),
    "resources/list": ("resources", "resources", "uri"),
    "resources/templates/list": ("resourceTemplates", "resources", "uriTemplate"),
}


def is_listing(method: str) -> bool:
    """Whether the answer to a method is a list that is cut to what can be reached."""
    return method in _LISTS


def reachable(method: str, resource: Resource, scopes: Collection[str], body: bytes, *, events: bool) -> bytes | None:
    """The answer with only what needs one of these scopes; None if it can't be read. What was not consented to stays listed.

    Of an event stream only its messages are kept.
    """
    if not events:
        answer = decoded(body)
        return _encoded(method, resource, scopes, answer) if isinstance(answer, dict) else None
    answers = [decoded(data) for data in EventReader().feed(body + b"\n\n")]
    kept = (_encoded(method, resource, scopes, answer) for answer in answers if isinstance(answer, dict))
    return b"".join(b"event: message\ndata: " + data + b"\n\n" for data in kept)


def _encoded(method: str, resource: Resource, scopes: Collection[str], answer: dict[str, Any]) -> bytes:
    result = answer.get("result")
    if isinstance(result, dict):
        member, kind, key = _LISTS[method]
        entries = result.get(member)
        listed = entries if isinstance(entries, list) else []
        kept = [e for e in listed if isinstance(e, dict) and operations.scope_of(resource, kind, e.get(key)) in scopes]
        result = {**result, member: kept}
        if "cacheScope" in result:
            result["cacheScope"] = "private"  # it differs by user
        answer = {**answer, "result": result}
    return msgspec.json.encode(answer)
