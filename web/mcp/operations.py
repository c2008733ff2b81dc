"""Which scope an operation needs, from the resource's operation map, and which projects a call may touch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from domain.access import Access, holdable
from domain.account import Account, Resource
from domain.member import Member
from domain.scopes import OFFLINE_ACCESS
from web.mcp.messages import Message


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a resource: what it is called in the audit log (after the map), the scopes it needs, the argument that names its projects."""

    name: str
    scopes: tuple[str, ...]
    project_argument: str | None

    @property
    def scope(self) -> str:
        """The scopes as one string."""
        return " ".join(self.scopes)


def operation_for(resource: Resource, message: Message) -> Operation | None:
    """The operation that a message asks for; None where the map has none: it is then not offered at all."""
    if message.kind is None:
        return None
    names = [_known_name(resource, message.kind, name) for name in message.names]
    known = [name for name in names if name is not None]
    if len(known) < len(names) or not known:
        return None
    pairs = [_as_pair(resource.operations[message.kind][name]) for name in known]
    return Operation(f"{message.method}:{known[0]}", tuple(dict.fromkeys(scope for scope, _ in pairs)), pairs[0][1])


def not_offered(message: Message) -> Operation:
    """What is recorded of a call that the map does not have. What a client typed may name a person, and events are for ever."""
    return Operation(message.method if message.kind else "unknown method", (), None)


def scope_of(resource: Resource, kind: str, name: object) -> str | None:
    """The scope that a tool, prompt or resource needs, or None if it is not in the map."""
    known = _known_name(resource, kind, name) if isinstance(name, str) else None
    return None if known is None else _as_pair(resource.operations[kind][known])[0]


def reachable_scopes(resource: Resource, member: Member, account: Account) -> frozenset[str]:
    """The resource's scopes that the member could hold at all, whatever was consented to."""
    return frozenset(s for s in resource.scopes if s != OFFLINE_ACCESS and holdable(member, account, s))


def allowed_projects(account: Account, access: Access, operation: Operation) -> tuple[str, ...]:
    """The project ids in which the operation may act; all of them for scopes without projects, which ignore the project choice."""
    limits = [held for held in (access.scopes.get(scope) for scope in operation.scopes) if held is not None]
    return tuple(p for p in account.projects if all(p in held for held in limits))


def choose_projects(
    account: Account, operation: Operation, allowed: tuple[str, ...], arguments: dict[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The projects that the call may touch, and those that it names (by id or name) and may not.

    A call that names projects gets those alone; one that names none gets all that are allowed.
    """
    asked = _asked(arguments, operation.project_argument)
    if asked is None:
        return allowed, ()
    by_name: dict[str, list[str]] = {}
    for project in allowed:
        by_name.setdefault(account.projects[project].casefold(), []).append(project)
    found: list[str] = []
    refused: list[str] = []
    for text in asked:
        hits = [text] if text in allowed else by_name.get(text.strip().casefold(), [])
        found.extend(hits)
        refused.extend([] if hits else [text[:80]])
    return tuple(dict.fromkeys(found)), tuple(refused)


def _asked(arguments: dict[str, Any], argument: str | None) -> list[str] | None:
    """What the argument says, however its name is spelled: some parsers don't tell `Project` from `project`."""
    if argument is None:
        return None
    given = [value for name, value in arguments.items() if name.casefold() == argument.casefold() and value is not None]
    if not given:
        return None
    return [str(part) for value in given for part in (value if isinstance(value, list) else [value])]


def _known_name(resource: Resource, kind: str, name: str) -> str | None:
    """The name in the map that stands for this one: itself, or the longest beginning of a resource's URI."""
    entries = resource.operations.get(kind, {})
    if name in entries or kind != "resources" or _climbs(name):
        return name if name in entries else None
    return max((prefix for prefix in entries if prefix.endswith("*") and name.startswith(prefix[:-1])), key=len, default=None)


def _climbs(uri: str) -> bool:
    """Whether a URI may lead out of the prefix that it begins with."""
    parts = unquote(unquote(uri)).replace("\\", "/").split("/")
    return any(part in (".", "..") for part in parts)


def _as_pair(entry: Any) -> tuple[str, str | None]:
    return (entry, None) if isinstance(entry, str) else (entry["scope"], entry.get("project_argument"))


def missing_scopes(operation: Operation, access: Access) -> list[str]:
    """The scopes that the operation needs and the token does not have."""
    return [scope for scope in operation.scopes if scope not in access.scopes]


def still_holds(account: Account, access: Access, operation: Operation, projects: Iterable[str]) -> bool:
    """Whether an operation under way in these projects could begin now."""
    return not missing_scopes(operation, access) and set(projects) <= set(allowed_projects(account, access, operation))
