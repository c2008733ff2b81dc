"""Builds the pages about the scope catalogue: who holds and serves each scope, the form, the questions, and what each publication changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from flask import url_for
from werkzeug.datastructures import MultiDict

from domain.account import Account
from domain.catalogue import FIXED
from domain.roles import PERMISSIONS
from domain.scopes import DEFAULT_CATALOGUE, Scope, per_project
from projections.audit_log.queries import AuditEntry, entries
from projections.sessions.queries import sessions_by_scope
from web.pages.audit_sentences import Known
from web.pages.formatting import counted
from web.pages.history import timeline
from web.pages.models import Choice, Confirm
from web.pages.people import names
from web.pages.scopes_models import ScopeForm, ScopeRow, ScopesView

_PUBLISHED: Final = "scopes.published"
_LAST: Final = 6


def view_of(conn: Any, account: Account, *, may_manage: bool) -> ScopesView:
    account_id = str(account.id)
    held = sessions_by_scope(conn, account_id)
    rows = tuple(_row(account, scope, held.get(scope.code, 0)) for scope in account.scopes.values())
    found = with_changes(entries(conn, account_id, event_type=_PUBLISHED, limit=_LAST + 1))[:_LAST]
    return ScopesView(rows=rows, may_manage=may_manage, history=timeline(found, Known(names(conn, account_id), account.projects)))


def _row(account: Account, scope: Scope, sessions: int) -> ScopeRow:
    return ScopeRow(
        code=scope.code,
        title=scope.title,
        description=scope.description,
        needs=scope.permission or "",
        per_project=scope.per_project,
        acts=scope.acts,
        dynamic=scope.dynamic,
        sessions=sessions,
        served_by=tuple(resource.identifier for resource in account.resources.values() if scope.code in resource.scopes),
    )


# ---- what each publication changed


def with_changes(found: list[AuditEntry]) -> list[AuditEntry]:
    """The entries (newest first), each told by what it changed of the catalogue before it; the account's first one of the default."""
    before = [*(entry.event_context for entry in found[1:]), {"scopes": [scope.as_fact() for scope in DEFAULT_CATALOGUE]}]
    told = zip(found, before, strict=False)
    return [replace(entry, event_context={**entry.event_context, "changes": changes(old, entry.event_context)}) for entry, old in told]


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """`added reports:read`, `removed jobs:run`, `changed catalog:read`"""
    before = {scope["code"]: scope for scope in old.get("scopes") or ()}
    after = {scope["code"]: scope for scope in new.get("scopes") or ()}
    added = [f"added {code}" for code in after if code not in before]
    removed = [f"removed {code}" for code in before if code not in after]
    return [*added, *removed, *(f"changed {code}" for code in after if code in before and after[code] != before[code])]


# ---- the form


def new_form() -> ScopeForm:
    return ScopeForm(permissions=_permissions(""))


def form_of(account: Account, scope: Scope, sessions: int) -> ScopeForm:
    return ScopeForm(
        before=scope.code,
        code=scope.code,
        title=scope.title,
        description=scope.description,
        permissions=_permissions(scope.permission or ""),
        acts=scope.acts,
        dynamic=scope.dynamic,
        fixed=scope.code in FIXED,
        remove=None if scope.code in FIXED else removal(account, scope, sessions),
    )


def typed_form(typed: MultiDict[str, str], before: Scope | None, errors: dict[str, str]) -> ScopeForm:
    return ScopeForm(
        before=before.code if before else "",
        code=before.code if before else typed.get("code", ""),
        title=typed.get("title", ""),
        description=typed.get("description", ""),
        permissions=_permissions(typed.get("permission", before.permission or "" if before else "")),
        acts="acts" in typed,
        dynamic="dynamic" in typed,
        fixed=before is not None and before.code in FIXED,
        errors=errors,
    )


def _permissions(chosen: str) -> tuple[Choice, ...]:
    where = {True: "in projects", False: "in the whole account"}
    return tuple(Choice(value=name, words=f"{name}, held {where[per_project(name)]}", chosen=name == chosen) for name in PERMISSIONS)


# ---- questions


def removal(account: Account, scope: Scope, sessions: int) -> Confirm:
    loses = f"{counted(sessions, 'session')} {'loses' if sessions == 1 else 'lose'} it at the next request, and everything else goes on."
    serving = [resource.identifier for resource in account.resources.values() if scope.code in resource.scopes]
    first = (f"Take it from {', '.join(serving[:3])} first: while a resource serves it, it stays.",) if serving else ()
    return Confirm(
        id="remove",
        verb="Remove",
        action=url_for("settings.scopes.remove", code=scope.code),
        question=f"Remove {scope.code}?",
        points=(
            *first,
            loses if sessions else "No session has it.",
            "No app can ask for it any more.",
            "If you add it again, people have to consent to it again.",
        ),
        button="Remove the scope",
    )


def needing_more(scope: Scope, permission: str, sessions: int, fields: tuple[tuple[str, str], ...]) -> Confirm:
    """The question before a scope needs another permission."""
    return Confirm(
        id="needs",
        verb="Save",
        action=url_for("settings.scopes.save", code=scope.code),
        question=f"Let {scope.code} need {permission}?",
        points=(
            f"{counted(sessions, 'session')} {'loses' if sessions == 1 else 'lose'} {scope.code} at the next request, and keep everything else.",
            f"People who hold {permission} can consent to it anew.",
        ),
        button=f"Save and take it from {counted(sessions, 'session')}",
        keep="Keep it as it is",
        fields=fields,
    )
