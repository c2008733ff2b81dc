"""Builds the pages about protected resources, and reads the form that adds or changes one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from flask import url_for
from werkzeug.datastructures import FileStorage, MultiDict

from application.manage_resources import OPERATION_KINDS
from application.services import Services
from domain.account import Account, Resource
from domain.errors import InvalidInput
from domain.scopes import OFFLINE_ACCESS
from projections.audit_log.queries import AuditEntry, entries
from projections.sessions.queries import sessions_holding
from web import challenges
from web.pages.audit_sentences import Known
from web.pages.formatting import counted, duration
from web.pages.history import timeline
from web.pages.models import Choice, Confirm, HistoryEntry
from web.pages.people import names
from web.pages.resources_models import OperationRow, ResourceForm, ResourceRow, ResourcesView, ResourceView

EVENTS: Final = ("resource.registered", "resource.updated", "resource.rotated", "resource.removed")
FILE: Final = "operations_file"
_LAST: Final = 6
_READ: Final = 100
_KINDS: Final = {"tools": "Tool", "prompts": "Prompt", "resources": "Resource"}


def list_of(conn: Any, services: Services, account: Account, *, may_manage: bool) -> ResourcesView:
    rows = tuple(_row(services, resource) for resource in account.resources.values())
    found = entries(conn, str(account.id), event_type=EVENTS, limit=_LAST)
    return ResourcesView(rows=rows, may_manage=may_manage, history=_history(conn, account, found))


def view_of(conn: Any, services: Services, account: Account, resource: Resource, *, may_manage: bool, secret: str = "") -> ResourceView:
    sessions, people = sessions_holding(conn, str(account.id), resource=resource.identifier)
    found = entries(conn, str(account.id), event_type=EVENTS, limit=_READ)
    own = [entry for entry in found if entry.event_context.get("resource_id") == resource.resource_id]
    return ResourceView(
        row=_row(services, resource),
        operations=tuple(operations_of(resource.operations)),
        sessions=sessions,
        people=people,
        introspection_url=f"{services.issuer}/oauth/introspect",
        metadata_url=challenges.metadata_url(resource.identifier),
        may_manage=may_manage,
        needs_upstream=resource.identifier == services.mcp_url and not resource.upstream,
        rotate=rotation(resource) if may_manage else None,
        remove=removal(services, account, resource, sessions, people) if may_manage else None,
        history=_history(conn, account, own[:_LAST]),
        secret=secret,
    )


def _history(conn: Any, account: Account, found: list[AuditEntry]) -> tuple[HistoryEntry, ...]:
    return timeline(found, Known(names(conn, str(account.id)), account.projects))


def _row(services: Services, resource: Resource) -> ResourceRow:
    own = {services.mcp_url: "This server's MCP endpoint", services.api_url: "This server's own API"}
    return ResourceRow(
        resource_id=resource.resource_id,
        identifier=resource.identifier,
        own=own.get(resource.identifier, ""),
        scopes=resource.scopes,
        upstream=resource.upstream or "",
        operations=sum(len(named) for named in resource.operations.values()),
    )


def operations_of(operations: Mapping[str, Any]) -> list[OperationRow]:
    found = []
    for kind, named in operations.items():
        for name, entry in named.items():
            members = entry if isinstance(entry, Mapping) else {"scope": entry}
            argument = str(members.get("project_argument") or "")
            found.append(OperationRow(kind=_KINDS.get(kind, kind), name=name, scope=str(members.get("scope", "")), project_argument=argument))
    return found


# ---- questions


def rotation(resource: Resource) -> Confirm:
    return Confirm(
        id="rotate",
        verb="New secret",
        action=url_for("settings.resources.rotate", resource_id=resource.resource_id),
        question="Make a new introspection secret?",
        points=(
            "The secret there is now is refused from the next request on, by every worker.",
            "Until the service has the new one it can't ask about tokens, so it will refuse people.",
            "No session ends.",
        ),
        button="Make a new secret",
        keep="Keep the one there is",
        image="refresh",
        fields=(("secret_since", str(resource.secret_since)),),
    )


def removal(services: Services, account: Account, resource: Resource, sessions: int, people: int) -> Confirm:
    ends = f"{counted(sessions, 'session')} for it {'ends' if sessions == 1 else 'end'} now, for {counted(people, 'person', 'people')}."
    more = {
        services.mcp_url: ("Apps that name no resource mean this one: none of them can connect until it is added again.",),
        services.api_url: ("The API answers nobody until it is added again, here or on the command line.",),
    }
    ttl = account.session_policy.access_token_ttl
    return Confirm(
        id="remove",
        verb="Remove",
        action=url_for("settings.resources.remove", resource_id=resource.resource_id),
        question="Remove this resource?",
        points=(
            ends if sessions else "No session is for it, so none ends.",
            f"A service that checks tokens by itself accepts those it has for up to {duration(ttl)}.",
            "Its introspection secret is refused from the next request on.",
            *more.get(resource.identifier, ()),
            "What ended stays ended, also if you add it again.",
        ),
        button=f"Remove and end {counted(sessions, 'session')}" if sessions else "Remove",
    )


def narrowing(resource: Resource, lost: tuple[str, ...], sessions: int, people: int, fields: tuple[tuple[str, str], ...]) -> Confirm:
    """The question before scopes are taken away that sessions have."""
    return Confirm(
        id="narrow",
        verb="Save",
        action=url_for("settings.resources.save", resource_id=resource.resource_id),
        question=f"Take {counted(len(lost), 'permission')} away from this resource?",
        points=(
            f"{counted(sessions, 'session')} {'has' if sessions == 1 else 'have'} {', '.join(lost)}, for {counted(people, 'person', 'people')}, "
            "and can't use it here from the next request on.",
            "They keep everything else. What they lost they get back by consenting again only, also if you add it again.",
        ),
        button=f"Save and narrow {counted(sessions, 'session')}",
        keep="Keep them",
        fields=fields,
    )


# ---- the form


def new_form(account: Account) -> ResourceForm:
    return ResourceForm(scopes=_choices(account, frozenset(code for code, scope in account.scopes.items() if not scope.acts)))


def form_of(account: Account, resource: Resource) -> ResourceForm:
    return ResourceForm(
        resource_id=resource.resource_id,
        identifier=resource.identifier,
        scopes=_choices(account, frozenset(resource.scopes)),
        upstream=resource.upstream or "",
        operations=json.dumps(resource.operations, indent=2, ensure_ascii=False) if resource.operations else "",
    )


def typed_form(
    account: Account, resource: Resource | None, typed: MultiDict[str, str], files: Mapping[str, FileStorage], errors: dict[str, str]
) -> ResourceForm:
    return ResourceForm(
        resource_id=resource.resource_id if resource else "",
        identifier=resource.identifier if resource else typed.get("identifier", ""),
        scopes=_choices(account, frozenset(typed.getlist("scope"))),
        upstream=typed.get("upstream", ""),
        operations=_operations_text(typed, files, strict=False),
        errors=errors,
    )


def operations_typed(typed: MultiDict[str, str], files: Mapping[str, FileStorage]) -> dict[str, Any]:
    """What was pasted, or what the uploaded file holds; none: no operations."""
    text = _operations_text(typed, files, strict=True)
    if not text.strip():
        return {}
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidInput(f"This can't be read as JSON{where}.", field="operations") from None
    if not isinstance(found, dict):
        raise InvalidInput(f"Operations are an object with {', '.join(OPERATION_KINDS)}, such as in the example.", field="operations")
    return found


def _operations_text(typed: MultiDict[str, str], files: Mapping[str, FileStorage], *, strict: bool) -> str:
    file = files.get(FILE)
    if file is None or not file.filename:
        return typed.get("operations", "")
    content: bytes = file.read()
    file.seek(0)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\x00"
    if any(char < " " and char not in "\t\r\n" for char in text):
        if strict:
            raise InvalidInput("The file is no text in UTF-8.", field="operations")
        return typed.get("operations", "")
    return text


def _no_number(_: str) -> Any:
    raise ValueError


def _choices(account: Account, chosen: frozenset[str]) -> tuple[Choice, ...]:
    scopes = (scope for scope in account.scopes.values() if scope.code != OFFLINE_ACCESS)
    return tuple(Choice(value=scope.code, words=scope.title, chosen=scope.code in chosen) for scope in scopes)
