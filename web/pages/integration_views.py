"""Builds the rows of the integrations' two tables, and what an admin may do to an app, from the rows of the views."""

from __future__ import annotations

from typing import Any, Final

from domain.account import Account
from projections.integrations.queries import ApprovalRequest
from projections.integrations.queries import IntegrationRow as Row
from web.pages.app_words import without_loopback_port
from web.pages.charts import Spark
from web.pages.confirmations import app_deed
from web.pages.formatting import absolute, counted, listed, number
from web.pages.integration_models import IntegrationRow
from web.pages.models import AppMark, Confirm

_DEEDS: Final[dict[str, tuple[str, ...]]] = {
    "pending": ("approve", "deny"),
    "active": ("block", "remove"),
    "blocked": ("unblock", "remove"),
    "removed": (),
}


def mark(row: Row) -> AppMark:
    return AppMark(name=row.name, key=row.client_id, verified=row.verified)


def table_row(row: Row, *, spark: Spark | None = None, asked: str = "") -> IntegrationRow:
    """`asked`: who asked for an app that waits."""
    shown, any_port = without_loopback_port(row.redirect_uris[0]) if row.redirect_uris else ("", False)
    return IntegrationRow(
        page_id=row.client_stream,
        app=mark(row),
        under=_under(row, asked),
        redirect_url=shown,
        any_port=any_port,
        more_redirects=max(0, len(row.redirect_uris) - 1),
        users=row.users,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        status=row.status,
        spark=spark,
    )


def askers(requests: list[ApprovalRequest]) -> dict[str, str]:
    """Who asked for each app (by fingerprint), the last one first, in words."""
    people: dict[str, list[str]] = {}
    for request in requests:
        people.setdefault(request.fingerprint, []).append(request.member_name or "an erased member")
    return {print_: _some(list(dict.fromkeys(names))) for print_, names in people.items()}


def _some(names: list[str]) -> str:
    return listed(names) if len(names) <= 2 else f"{names[0]} and {number(len(names) - 1)} others"


def _under(row: Row, asked: str) -> str:
    """The line under the name: who asked for, blocked, removed or added it, or how often it registered."""
    if row.status == "pending" and asked:
        return f"Asked for by {asked}"
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


def projects_words(chosen: Any, projects: dict[str, str]) -> str:
    """`all projects`, the names of up to three, `2 of 6 projects`."""
    if chosen is None or chosen == "*":
        return "all projects"
    found = [projects[id_] for id_ in chosen if id_ in projects]
    if not found:
        return "no project"
    return ", ".join(found) if len(found) <= 3 else f"{number(len(found))} of {counted(len(projects), 'project')}"
