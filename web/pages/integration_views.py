"""Builds the integrations pages: the two tables and one app's page, from the rows of the views."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from domain.account import Account
from projections.consents.queries import ConsentRow
from projections.integrations.queries import IntegrationRow as Row
from projections.sessions.queries import SessionRow
from web.pages.app_words import is_local_only, without_loopback_port
from web.pages.confirmations import app_deed
from web.pages.formatting import absolute, counted, number
from web.pages.models import (
    AppMark,
    Confirm,
    HistoryEntry,
    IntegrationDetail,
    IntegrationRow,
    IntegrationUser,
    Stat,
)
from web.pages.scope_words import in_order

_METHODS: Final = {"manual": "Added by an admin", "dynamic": "Dynamic (RFC 7591)", "metadata_document": "Metadata document"}
_DEEDS: Final[dict[str, tuple[str, ...]]] = {
    "pending": ("approve", "deny"),
    "active": ("block", "remove"),
    "blocked": ("unblock", "remove"),
    "removed": (),
}
_SHOWN_METADATA: Final = {
    "client_uri": "Homepage",
    "software_id": "Software ID",
    "software_version": "Software version",
    "policy_uri": "Privacy policy",
    "tos_uri": "Terms",
    "application_type": "Application type",
}
PEOPLE_SHOWN: Final = 10


def mark(row: Row) -> AppMark:
    return AppMark(name=row.name, key=row.client_id, verified=row.verified)


def table_row(row: Row) -> IntegrationRow:
    shown, any_port = without_loopback_port(row.redirect_uris[0]) if row.redirect_uris else ("", False)
    return IntegrationRow(
        page_id=row.client_stream,
        app=mark(row),
        under=_under(row),
        redirect_url=shown,
        any_port=any_port,
        more_redirects=max(0, len(row.redirect_uris) - 1),
        users=row.users,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        status=row.status,
    )


def _under(row: Row) -> str:
    """The line under the name: who blocked, removed or added it, or how often it registered."""
    if row.status == "blocked":
        return f"Blocked by {row.decided_by_name or 'an admin'}"
    if row.status == "removed":
        return "Removed as unused" if row.removed_by == "unused" else "Removed by itself" if row.removed_by == "itself" else "Removed by an admin"
    if row.registration == "manual":
        return f"Added by {row.registered_by_name or 'an admin'}"
    if row.registrations > 1:
        return f"{number(row.registrations)} registrations, one app"
    return "By metadata document" if row.registration == "metadata_document" else ""


def actions(row: Row, account: Account, *, sessions: int, people: int) -> tuple[Confirm, ...]:
    """What an admin may do to the app in this state."""
    deeds = _DEEDS[row.status]
    if row.status == "active" and row.registration != "manual" and not row.verified:
        deeds = ("verify", *deeds)
    ttl = account.session_policy.access_token_ttl
    return tuple(app_deed(deed, row.client_stream, row.name, sessions=sessions, people=people, access_token_ttl=ttl) for deed in deeds)


def ended_line(row: Row) -> str:
    """The banner of an app that is not active: since when, by whom and why."""
    if row.status == "pending":
        return "Nobody can connect it until an admin decides."
    if row.status == "blocked" and row.decided_at:
        return _told("Blocked", row.decided_by_name, absolute(row.decided_at), row.decision_reason)
    if row.status == "removed" and row.removed_at:
        by = {"unused": "as unused", "itself": "by itself"}.get(row.removed_by or "")
        return _told(f"Removed {by}" if by else "Removed", row.removed_actor_name, absolute(row.removed_at), row.removed_reason)
    return ""


def _told(verb: str, who: str | None, when: str, reason: str | None) -> str:
    by = f" by {who}" if who else ""
    why = f": “{reason}”." if reason else "."
    return f"{verb}{by} on {when}{why}"


def users(consents: Iterable[ConsentRow], sessions: Iterable[SessionRow], roles: dict[str, str], projects: dict[str, str]) -> list[IntegrationUser]:
    """People whose consent is in force, the last user first; identical registrations count once a person."""
    used: dict[str, datetime] = {}
    for session in sessions:
        moment = session.last_used_at or session.created_at
        used[session.member_id] = max(moment, used.get(session.member_id, moment))
    newest: dict[str, ConsentRow] = {}
    for consent in consents:
        newest.setdefault(consent.member_id, consent)
    rows = sorted(newest.values(), key=lambda row: -used.get(row.member_id, row.changed_at).timestamp())
    return [
        IntegrationUser(
            name=row.member_name or "an erased member",
            role=roles.get(row.member_id, ""),
            scopes=in_order(row.approved),
            projects=projects_words(row.projects, projects) + ("" if row.keep_alive else ", keep alive off"),
            last_used_at=used.get(row.member_id),
            member_id=row.member_id,
        )
        for row in rows
    ]


def projects_words(chosen: Any, projects: dict[str, str]) -> str:
    """`all projects`, the names of up to three, `2 of 6 projects`."""
    if chosen is None or chosen == "*":
        return "all projects"
    names = [projects[id_] for id_ in chosen if id_ in projects]
    if not names:
        return "no project"
    return ", ".join(names) if len(names) <= 3 else f"{number(len(names))} of {counted(len(projects), 'project')}"


def detail(
    row: Row,
    *,
    people: list[IntegrationUser],
    all_people: bool,
    sessions: int,
    history: tuple[HistoryEntry, ...],
    actions: tuple[Confirm, ...],
    banner: str,
    dynamic_scopes: tuple[str, ...],
) -> IntegrationDetail:
    metadata = row.metadata
    registered = tuple(str(metadata.get("scope") or "").split())
    return IntegrationDetail(
        page_id=row.client_stream,
        app=mark(row),
        status=row.status,
        local_only=is_local_only(tuple(row.redirect_uris)),
        client_id=row.client_id,
        method=_METHODS[row.registration],
        redirect_urls=tuple(without_loopback_port(url) for url in row.redirect_uris),
        registrations=row.registrations,
        scopes=in_order(registered or dynamic_scopes),
        metadata=tuple((label, str(metadata[name])) for name, label in _SHOWN_METADATA.items() if metadata.get(name)),
        created_at=row.created_at,
        stats=(
            Stat(label="People", words=number(len(people))),
            Stat(label="Active sessions", words=number(sessions)),
            Stat(label="Last used", at=row.last_used_at, words="never"),
            Stat(label="Registrations", words=number(row.registrations)),
        ),
        history=history,
        users=tuple(people if all_people else people[:PEOPLE_SHOWN]),
        users_in_all=len(people),
        sessions_in_all=sessions,
        actions=actions,
        ended_line=banner,
        manual=row.registration == "manual",
        reason=row.reason or "",
    )
