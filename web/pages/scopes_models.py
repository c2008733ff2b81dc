"""View models of the pages about the scope catalogue: the list, and the form that adds or changes a scope."""

from __future__ import annotations

from dataclasses import dataclass, field

from web.pages.models import Choice, Confirm, HistoryEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRow:
    """`needs` is the permission, empty where nobody needs one; `sessions` are alive and were given it."""

    code: str
    title: str
    description: str
    needs: str
    per_project: bool
    acts: bool
    dynamic: bool
    sessions: int
    served_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopesView:
    rows: tuple[ScopeRow, ...]
    may_manage: bool
    history: tuple[HistoryEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeForm:
    """As it stands or as typed so far. `before` is the code of a scope that is there, which it keeps; `fixed`: the server itself needs it."""

    before: str = ""
    code: str = ""
    title: str = ""
    description: str = ""
    permissions: tuple[Choice, ...] = ()
    acts: bool = False
    dynamic: bool = True
    fixed: bool = False
    remove: Confirm | None = None
    errors: dict[str, str] = field(default_factory=dict)
