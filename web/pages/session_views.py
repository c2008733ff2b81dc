"""Builds the sessions pages from the rows of the view."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from projections.audit_log.queries import AuditEntry
from projections.sessions.queries import SessionCounts
from projections.sessions.queries import SessionRow as Row
from web.pages.confirmations import revoke_session
from web.pages.formatting import absolute, number, share
from web.pages.integration_views import projects_words
from web.pages.models import AppMark, EndedSession, SessionRow, Stat
from web.pages.scope_words import in_order

LOW: Final = 0.2
"""The share of the idle window under which its bar turns amber."""

_ENDED: Final = {
    "revoked": "Revoked",
    "reuse_detected": "Ended, since a spent refresh token came back",
    "code_replayed": "Ended, since a spent code came back",
    "consent_withdrawn": "Ended, since the person took the consent back",
    "client_removed": "Ended, since the app was removed",
    "app_blocked": "Ended, since the app was blocked",
    "member_deactivated": "Ended, since the person was deactivated",
    "resource_removed": "Ended, since the resource was removed",
    "plan": "Ended with the plan",
    "idle": "Ended after the idle window",
    "absolute": "Ended at its longest life",
    "code": "Never began: the code was not exchanged",
    "access_token": "Ended with its access token; it had no refresh token",
}
_BY: Final = {"member": "by its owner", "admin": "by an admin", "client": "by the app", "system": "by the system"}


def session_row(row: Row, *, projects: Mapping[str, str], now: datetime, may_manage: bool) -> SessionRow:
    person = row.member_name or "an erased member"
    ends = _ends(row)
    since = row.last_refreshed_at or row.created_at
    left = share(now, since, ends)
    live = row.status != "ended"
    return SessionRow(
        grant_id=row.grant_id,
        person=person,
        app=AppMark(name=row.client_name, key=row.client_id),
        device=row.user_agent or "",
        scopes=in_order(row.scopes),
        projects=projects_words(row.projects, dict(projects)),
        refreshes=row.refreshes,
        races=row.races,
        last_refreshed_at=row.last_refreshed_at,
        created_at=row.created_at,
        idle_ends_at=ends,
        idle_window=ends - since,
        ends_at=row.absolute_expires_at if row.refreshable else ends,
        low=left < LOW,
        share_left=left,
        revoke=revoke_session(row.grant_id, person, row.client_name) if may_manage and live else None,
    )


def _ends(row: Row) -> datetime:
    """When it ends if nothing happens."""
    if not row.refreshable:
        return row.access_expires_at or row.absolute_expires_at
    return min(row.idle_expires_at or row.absolute_expires_at, row.absolute_expires_at)


def stats(counts: SessionCounts, reused: int) -> tuple[Stat, ...]:
    return (
        Stat(label="Active now", words=number(counts.active)),
        Stat(label="People", words=number(counts.people)),
        Stat(label="End within 24 h", words=number(counts.ending)),
        Stat(label="Reuse detected, 30 days", words=number(reused)),
    )


def ended_line(row: Row) -> str:
    """The banner of a session that is over: why, when, by whom, with the reason kept."""
    if row.status != "ended" or row.ended_at is None:
        return ""
    why = _ENDED.get(row.ended_reason or "", "Ended")
    by = f" {_BY.get(row.ended_by or '', '')}".rstrip() if row.ended_reason == "revoked" else ""
    who = f" by {row.ended_actor_name}" if row.ended_actor_name and row.ended_reason == "revoked" else by
    note = f": “{row.ended_note}”" if row.ended_note else ""
    return f"{why}{who} on {absolute(row.ended_at)}{note}."


def ended_for_reuse(row: Row, entry: AuditEntry) -> EndedSession:
    """The sentence why, from the audit entry of the detection."""
    facts = entry.event_context
    age = int(facts.get("current") or 0) - int(facts.get("generation") or 0)
    old = "one rotation old" if age == 1 else f"{number(age)} rotations old"
    return EndedSession(
        grant_id=row.grant_id,
        person=row.member_name or "an erased member",
        app=AppMark(name=row.client_name, key=row.client_id),
        device=row.user_agent or "",
        ended_at=entry.created_at,
        strong=f"A token {old} came back.",
        sentence=f"It was outside the grace, so the whole session ended.{f' Presented from {entry.actor_ip}.' if entry.actor_ip else ''}",
        position=entry.position,
    )
