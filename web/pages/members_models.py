"""View models of the pages about members and their permissions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from web.pages.models import AppMark, Choice, Confirm, Filter, HistoryEntry, Pager, Stat

MemberStatus = Literal["active", "deactivated", "erased"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberMarks:
    """What is said of a person beside the name."""

    you: bool = False
    sso: bool = False
    directory: bool = False
    break_glass: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLine:
    """A person of the list. `beyond` and `less` say how the permissions differ from those of the role."""

    member_id: str
    name: str
    email: str
    role: str
    where: str
    beyond: tuple[str, ...]
    less: tuple[str, ...]
    apps: tuple[str, ...]
    more_apps: int
    signs_in: str
    last_sign_in_at: datetime | None
    status: MemberStatus
    marks: MemberMarks


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersView:
    stats: tuple[Stat, ...]
    filters: tuple[Filter, ...]
    filtered: bool
    rows: tuple[MemberLine, ...]
    pager: Pager
    may_manage: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """All projects, or chosen ones."""

    everywhere: bool
    projects: tuple[Choice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMemberForm:
    """Add a member, as typed so far, with what is wrong with it by field."""

    name: str = ""
    email: str = ""
    roles: tuple[Choice, ...] = ()
    places: Places
    password: bool = True
    sso: bool = False
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleForm:
    """The role as it is, or as chosen so far."""

    roles: tuple[Choice, ...]
    places: Places
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionLine:
    """One permission: what it lets a person do, the scopes that need it, where it is held and where it comes from."""

    name: str
    title: str
    scopes: tuple[str, ...]
    where: str
    source: str
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedApp:
    page_id: str
    app: AppMark
    scopes: tuple[str, ...]
    projects: str
    last_used_at: datetime | None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDetail:
    """One person with everything that the page shows. `password`: one that was just made, shown once."""

    member_id: str
    name: str
    email: str
    role: str
    status: MemberStatus
    marks: MemberMarks
    banner: str
    notes: tuple[str, ...]
    stats: tuple[Stat, ...]
    permissions: tuple[PermissionLine, ...]
    apps: tuple[AllowedApp, ...]
    facts: tuple[tuple[str, str], ...]
    added_at: datetime | None
    history: tuple[HistoryEntry, ...]
    may_manage: bool
    role_form: RoleForm
    head_actions: tuple[Confirm, ...] = ()
    access_actions: tuple[Confirm, ...] = ()
    password: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionView:
    """One permission of one person, with the two forms. `keep`: why it can't be taken away."""

    member_id: str
    person: str
    line: PermissionLine
    per_project: bool
    where: str
    permit: Places | None
    forbid: Places | None
    keep: str = ""
    errors: dict[str, str] = field(default_factory=dict)
