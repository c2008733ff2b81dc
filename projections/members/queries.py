"""Typed reads of members."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from projections.connection import Connection
from projections.literals import uuid_or_none
from projections.members import view


@dataclass(frozen=True, slots=True)
class Held:
    """Where a permission holds: everywhere less `excluded`, or in the named projects."""

    everywhere: bool
    projects: tuple[str, ...]
    excluded: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.everywhere or bool(self.projects)


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


def list_members(
    connection: Connection, account_id: str, *, active: bool | None = None, after: int | None = None, limit: int = 10_000
) -> list[MemberRow]:
    """Members in the order they were added, erased ones included; `after` is the last row's `added_position`."""
    return [_member(row) for row in view.select(connection, account_id, limit=limit, active=active, after=after)]


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
    values[6] = {name: Held(d["all"], tuple(d["projects"]), tuple(d["except"])) for name, d in row[6].items()}
    return MemberRow(*values)
