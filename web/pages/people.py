"""Names of people as the pages show them; from the views, and never for a decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from flask import g

from domain.roles import ACCOUNT_ADMIN
from projections.audit_log.queries import AuditEntry
from projections.members import queries
from projections.members.queries import MemberRow
from web.pages.models import Viewer
from web.pages.session import SignedInMember

_NAMED: Final = 10


def viewer_of(conn: Any | None, person: SignedInMember) -> Viewer:
    """The signed-in person; a view that lags behind a new member gives the role alone."""
    row = row_of(conn, person.account_id, person.member_id) if conn is not None else None
    return Viewer(
        name=(row.name or row.email if row else None) or person.member.role,
        email=(row.email if row else None) or "",
        role=person.member.role,
        may_manage=person.may_manage,
        sees_settings=person.sees_settings,
    )


def row_of(conn: Any, account_id: str, member_id: str) -> MemberRow | None:
    """A member as the view has them, read once per request."""
    rows: dict[str, MemberRow | None] = g.setdefault("member_rows", {})
    if member_id not in rows:
        rows[member_id] = queries.member(conn, account_id, member_id)
    return rows[member_id]


def admins(conn: Any, account_id: str) -> tuple[str, ...]:
    """Who the account's admins are, by name, ten at most."""
    rows = queries.find_members(conn, account_id, role=ACCOUNT_ADMIN, status="active", limit=_NAMED)
    return tuple(row.name or row.email or "" for row in rows if row.name or row.email)


class Names(Mapping[str, str]):
    """Member id -> name, read when it is asked for: a page names few of the many there are. `told` are names that the page has read already."""

    def __init__(self, conn: Any, account_id: str, told: Mapping[str, str]) -> None:
        self._conn, self._account_id, self._known = conn, account_id, dict(told)

    def __getitem__(self, member_id: str) -> str:
        if member_id not in self._known:
            row = queries.member(self._conn, self._account_id, member_id)
            if row is None:
                raise KeyError(member_id)
            self._known[member_id] = row.name or row.email or "an erased member"
        return self._known[member_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def names(conn: Any, account_id: str, entries: Iterable[AuditEntry] = ()) -> Names:
    """Names of people for lists that hold ids only, while `conn` is open; those that `entries` tell aren't read again."""
    pairs = [pair for entry in entries for pair in ((entry.actor_id, entry.actor_name), (entry.subject_id, entry.subject_name))]
    return Names(conn, account_id, {member_id: name for member_id, name in pairs if member_id and name})


def matching(rows: Iterable[MemberRow], typed: str) -> list[MemberRow]:
    """Members whose name or e-mail holds what was typed; an exact e-mail or name stands alone."""
    wanted = typed.casefold()
    texts = [(row, (row.name or "").casefold(), (row.email or "").casefold()) for row in rows]
    exact = [row for row, name, email in texts if wanted in (name, email)]
    return exact or [row for row, name, email in texts if wanted in name or wanted in email]
