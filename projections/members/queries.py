"""Typed reads of members."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from domain.scopes import per_project
from projections.connection import Connection
from projections.literals import uuid_or_none
from projections.members.reads import view


@dataclass(frozen=True, slots=True)
class Held:
    """Where a permission holds: everywhere less `excluded`, or in the named projects."""

    everywhere: bool
    projects: tuple[str, ...]
    excluded: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.everywhere or bool(self.projects)

    def holds(self, project: str) -> bool:
        return project in self.projects or (self.everywhere and project not in self.excluded)


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member. `name` and `email` are None once erased; `permissions` by name. Never decides: access is asked of the write side."""

    member_id: str
    name: str | None
    email: str | None
    role: str
    active: bool
    erased: bool
    permissions: dict[str, Held]
    added_at: datetime
    added_by: str | None
    added_how: str
    added_position: int
    changed_position: int
    deactivated_at: datetime | None
    deactivated_reason: str | None
    last_sign_in_at: datetime | None


Status = Literal["active", "deactivated", "erased"]
_STATUS: Final[dict[Status | None, dict[str, bool]]] = {
    None: {"erased": False},
    "active": {"active": True},
    "deactivated": {"active": False, "erased": False},
    "erased": {"erased": True},
}


@dataclass(frozen=True, slots=True)
class MemberCounts:
    active: int
    deactivated: int
    erased: int


@dataclass(frozen=True, slots=True)
class AppInUse:
    """An app that a member allows, by its first registration."""

    client_stream: str
    name: str
    client_id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Reach:
    """How many active members hold something in a project, and how many apps somebody allows there."""

    members: int = 0
    apps: int = 0


def find_members(
    connection: Connection,
    account_id: str,
    *,
    text: str | None = None,
    role: str | None = None,
    status: Status | None = None,
    after: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[MemberRow]:
    """Members by name, from A to Z: those whose name or address holds `text`. `after` and `before` are the ids that the pages beside this one end
    with; erased people only where `status` asks for them."""
    if any(id_ is not None and not uuid_or_none(id_) for id_ in (after, before)):
        return []
    filters = {"text": text or None, "role": role or None, "behind": after, "ahead": before, **_STATUS[status]}
    return [_member(row) for row in view.by_name(connection, account_id, limit=limit, **filters)]


def member_counts(connection: Connection, account_id: str) -> MemberCounts:
    return MemberCounts(*view.counts(connection, account_id))


def apps_in_use(connection: Connection, account_id: str, member_ids: Sequence[str]) -> dict[str, tuple[AppInUse, ...]]:
    """The apps that each of these members allows, by name; whoever allows none is missing."""
    found: dict[str, list[AppInUse]] = defaultdict(list)
    for member_id, *app in view.apps(connection, account_id, member_ids) if member_ids else ():
        found[member_id].append(AppInUse(*app))
    return {member_id: tuple(apps) for member_id, apps in found.items()}


def reach(connection: Connection, account_id: str, projects: Iterable[str]) -> dict[str, Reach]:
    """Who and what reaches each of these projects."""
    wanted, members, apps = tuple(projects), Counter[str](), defaultdict[str, set[str]](set)
    for permissions, count in view.holdings(connection, account_id):
        held = [_held(described) for name, described in permissions.items() if per_project(name)]
        members.update({project: count for project in wanted if any(h.holds(project) for h in held)})
    for where, fingerprint in view.allowed(connection, account_id):
        for project in wanted if where is None else where:
            apps[project].add(fingerprint)
    return {project: Reach(members[project], len(apps[project])) for project in wanted}


def list_members(
    connection: Connection,
    account_id: str,
    *,
    active: bool | None = None,
    text: str | None = None,
    role: str | None = None,
    after: int | None = None,
    limit: int = 10_000,
) -> list[MemberRow]:
    """Members in the order they were added, erased ones included; `after` is the last row's `added_position`."""
    return [_member(row) for row in view.select(connection, account_id, limit=limit, active=active, text=text or None, role=role, after=after)]


def member(connection: Connection, account_id: str, member_id: str) -> MemberRow | None:
    """One member of this account."""
    rows = view.select(connection, account_id, limit=1, member_id=member_id) if uuid_or_none(member_id) else []
    return _member(rows[0]) if rows else None


def member_by_email(connection: Connection, account_id: str, email: str) -> MemberRow | None:
    """The member with this address, whatever its case."""
    rows = view.select(connection, account_id, limit=1, email=email)
    return _member(rows[0]) if rows else None


def _member(row: tuple[Any, ...]) -> MemberRow:
    values = list(row)
    values[6] = {name: _held(described) for name, described in row[6].items()}
    return MemberRow(*values)


def _held(described: dict[str, Any]) -> Held:
    return Held(described["all"], tuple(described["projects"]), tuple(described["except"]))
