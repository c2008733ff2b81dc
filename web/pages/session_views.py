"""Builds the sessions pages from the rows of the view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from projections.audit_log.queries import AuditEntry
from projections.sessions.queries import SessionCounts
from projections.sessions.queries import SessionRow as Row
from projections.usage.queries import Day
from web.pages.charts import WIDE_STRIP_GAP, Strip, strip
from web.pages.confirmations import revoke_session
from web.pages.formatting import absolute, duration, number, share
from web.pages.integration_views import projects_words
from web.pages.models import AppMark, Stat
from web.pages.scope_words import in_order
from web.pages.session_models import EndedSession, SessionRow

WEEK: Final = timedelta(days=7)
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


def session_row(row: Row, rotations: Strip, *, projects: Mapping[str, str], now: datetime, may_manage: bool) -> SessionRow:
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
        strip=rotations,
        last_refreshed_at=row.last_refreshed_at,
        created_at=row.created_at,
        idle_ends_at=ends,
        idle_window=ends - since,
        ends_at=row.absolute_expires_at if row.refreshable else ends,
        low=left < LOW,
        share_left=left,
        revoke=revoke_session(row.grant_id, person, row.client_name) if may_manage and live else None,
    )


def strip_of(row: Row, now: datetime) -> Strip:
    """The rotations of the last seven days of a session that is active."""
    marks = [(tick.at, tick.kind) for tick in row.ticks]
    return strip(marks, since=now - WEEK, now=now, begins_at=row.created_at, ends_at=None)


def _ends(row: Row) -> datetime:
    """When it ends if nothing happens."""
    if not row.refreshable:
        return row.access_expires_at or row.absolute_expires_at
    return min(row.idle_expires_at or row.absolute_expires_at, row.absolute_expires_at)


def stats(counts: SessionCounts, days: Sequence[Day]) -> tuple[Stat, ...]:
    """`days`: the account's last thirty."""
    return (
        Stat(label="Active now", words=number(counts.active)),
        Stat(label="People", words=number(counts.people)),
        Stat(label="End within 24 h", words=number(counts.ending)),
        Stat(label="Races in grace, 7 days", words=number(sum(day.races for day in days[-7:]))),
        Stat(label="Reuse detected, 30 days", words=number(sum(day.reuses for day in days))),
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


def ended_for_reuse(row: Row, entry: AuditEntry, *, last_address: str | None, grace: int) -> EndedSession:
    """The sentence why, from the audit entry of the detection; `last_address`: where the last refresh came from."""
    return EndedSession(
        grant_id=row.grant_id,
        person=row.member_name or "an erased member",
        app=AppMark(name=row.client_name, key=row.client_id),
        device=row.user_agent or "",
        ended_at=entry.created_at,
        strong=_what_came_back(entry, last_address),
        sentence=_why_it_ended(entry, last_address, grace),
        position=entry.position,
        strip=strip_until(row, entry.created_at),
    )


def strip_until(row: Row, at: datetime) -> Strip:
    """The rotations of at most seven days of the session up to a moment; `row` has the ticks of that week."""
    began = max(row.created_at, at - WEEK)
    marks = [(tick.at, tick.kind) for tick in row.ticks if tick.at <= at]
    return strip(marks, since=began, now=at, begins_at=began, ends_at=at, gap=WIDE_STRIP_GAP)


_COUNTED: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def _rotations(entry: AuditEntry) -> str:
    facts = entry.event_context
    age = max(0, int(facts.get("current") or 0) - int(facts.get("generation") or 0))
    words = _COUNTED[age] if age < len(_COUNTED) else number(age)
    return f"{words} rotation{'' if age == 1 else 's'}"


def _what_came_back(entry: AuditEntry, last_address: str | None) -> str:
    where = ""
    if entry.actor_ip and last_address:
        where = " from the same address" if entry.actor_ip == last_address else " from another address"
    return f"A token {_rotations(entry)} old came back{where}."


def _why_it_ended(entry: AuditEntry, last_address: str | None, grace: int) -> str:
    rotated = entry.event_context.get("rotated_at")
    parts = [f"Only the token before the live one has a grace, and no longer than {duration(grace)}, so the whole session ended."]
    if isinstance(rotated, str):
        since = entry.created_at - datetime.fromisoformat(rotated)
        parts.insert(0, f"The session had last refreshed {duration(since) if since >= timedelta(seconds=1) else 'a moment'} earlier.")
    if entry.actor_ip:
        parts.append(f"Presented from {entry.actor_ip}{f', last refresh came from {last_address}' if last_address else ''}.")
    return " ".join(parts)
