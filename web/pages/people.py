"""Names of people as the pages show them; from the views, and never for a decision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from domain.roles import ACCOUNT_ADMIN
from projections.members import queries
from projections.members.queries import MemberRow
from web.pages.models import Viewer
from web.pages.session import SignedInMember


def viewer_of(conn: Any | None, person: SignedInMember) -> Viewer:
    """The signed-in person; a view that lags behind a new member gives the role alone."""
    row = queries.member(conn, person.account_id, person.member_id) if conn is not None else None
    return Viewer(
        name=(row.name or row.email if row else None) or person.member.role,
        email=(row.email if row else None) or "",
        role=person.member.role,
        may_manage=person.may_manage,
        sees_settings=person.sees_settings,
    )


def admins(conn: Any, account_id: str) -> tuple[str, ...]:
    """Who the account's admins are, by name."""
    rows = queries.list_members(conn, account_id, active=True)
    return tuple(row.name or row.email or "" for row in rows if row.role == ACCOUNT_ADMIN and (row.name or row.email))


def names(conn: Any, account_id: str) -> dict[str, str]:
    """Member id -> name, for lists that hold ids only."""
    return {row.member_id: row.name or row.email or "an erased member" for row in queries.list_members(conn, account_id)}


def matching(rows: Iterable[MemberRow], typed: str) -> list[MemberRow]:
    """Members whose name or e-mail holds what was typed; an exact e-mail or name stands alone."""
    wanted = typed.casefold()
    texts = [(row, (row.name or "").casefold(), (row.email or "").casefold()) for row in rows]
    exact = [row for row, name, email in texts if wanted in (name, email)]
    return exact or [row for row, name, email in texts if wanted in name or wanted in email]
