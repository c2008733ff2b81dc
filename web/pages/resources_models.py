"""View models of the pages about protected resources: the list, one of them, and the form that adds or changes one."""

from __future__ import annotations

from dataclasses import dataclass, field

from web.pages.models import Choice, Confirm, HistoryEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRow:
    """`own` says what it is of this server, where it is: its MCP endpoint or its API."""

    resource_id: str
    identifier: str
    own: str
    scopes: tuple[str, ...]
    upstream: str
    operations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcesView:
    rows: tuple[ResourceRow, ...]
    may_manage: bool
    history: tuple[HistoryEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    kind: str
    name: str
    scope: str
    project_argument: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceView:
    """One resource; `secret` only where it was just made."""

    row: ResourceRow
    operations: tuple[OperationRow, ...]
    sessions: int
    people: int
    introspection_url: str
    metadata_url: str
    may_manage: bool
    needs_upstream: bool
    rotate: Confirm | None
    remove: Confirm | None
    history: tuple[HistoryEntry, ...]
    secret: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceForm:
    """As it stands or as typed so far, with what is wrong with it by field; a resource that is there keeps its identifier."""

    resource_id: str = ""
    identifier: str = ""
    scopes: tuple[Choice, ...] = ()
    upstream: str = ""
    operations: str = ""
    errors: dict[str, str] = field(default_factory=dict)
