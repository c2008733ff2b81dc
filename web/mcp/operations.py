"""Which scope an operation needs, from the resource's operation map, and which projects a call may touch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from domain.access import Access
from domain.account import Account, Resource
from web.mcp.messages import Message

_KIND = {"tools/call": "tools", "prompts/get": "prompts", "resources/read": "resources"}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a resource: what it is called in the audit log, the scope it needs, the argument that names its projects."""

    name: str
    scope: str
    project_argument: str | None


def operation_for(resource: Resource, message: Message) -> Operation | None:
    """The operation that a message asks for; None where the map has none: it is then not offered at all."""
    entries = resource.operations.get(_KIND.get(message.method, ""), {})
    entry = entries.get(message.name)
    if entry is None and message.method == "resources/read":
        entry = next((e for prefix, e in entries.items() if prefix.endswith("*") and str(message.name).startswith(prefix[:-1])), None)
    if entry is None:
        return None
    found = {"scope": entry} if isinstance(entry, str) else entry
    return Operation(f"{message.method}:{message.name}", found["scope"], found.get("project_argument"))


def visible_tools(resource: Resource, tools: Iterable[Any], reachable: Iterable[str]) -> list[Any]:
    """The tools whose scope the user could hold at all. What was not consented stays listed, so that a call gets 403 and the client steps up."""
    allowed = set(reachable)
    mapped = resource.operations.get("tools", {})

    def scope_of(tool: Any) -> str | None:
        entry = mapped.get(tool.get("name")) if isinstance(tool, dict) else None
        return entry if isinstance(entry, str) or entry is None else entry["scope"]

    return [tool for tool in tools if scope_of(tool) in allowed]


def allowed_projects(account: Account, access: Access, operation: Operation) -> tuple[str, ...]:
    """The project ids in which the operation may act; for a scope without projects those that any scope of the access reaches."""
    projects = access.scopes.get(operation.scope)
    if projects is not None:
        return projects
    reached = {p for held in access.scopes.values() for p in held or ()}
    return tuple(p for p in account.projects if p in reached)


def refused_projects(account: Account, operation: Operation, allowed: Iterable[str], arguments: dict[str, Any]) -> list[str]:
    """The projects that the call names (by id or name) and may not touch."""
    if operation.project_argument is None:
        return []
    asked = arguments.get(operation.project_argument)
    wanted = [asked] if isinstance(asked, str) else asked if isinstance(asked, list) else []
    permitted = set(allowed)
    names = {account.projects[p].casefold() for p in permitted if p in account.projects}
    return [str(w) for w in wanted if str(w) not in permitted and str(w).casefold() not in names]
