"""Where in the ledger access changed: for the bars of the replay page, and for stepping from change to change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from infrastructure.past.moments import Connection
from projections.audit_log.event_types import TYPES

_TOPICS = (
    "account.plan_changed", "account.project_added", "account.project_removed", "account.scope_catalogue_published", "account.session_policy_changed",
    "account.resource_registered", "account.resource_changed", "account.resource_removed", "account.app_approved", "account.app_blocked",
    "account.app_unblocked", "member.added", "member.role_changed", "member.permission_granted", "member.permission_revoked", "member.deactivated",
    "member.reactivated", "member.erased", "client.registered", "client.metadata_changed", "client.removed", "consent.given", "consent.narrowed",
    "consent.withdrawn", "grant.reuse_detected", "grant.code_replayed", "grant.revoked", "grant.expired",
)  # fmt: skip
KINDS = sorted({"+".join(TYPES[topic]) for topic in _TOPICS})
"""Kinds of rows of the audit log that stand for events which changed what somebody may do; refreshes change nothing."""

_BARS = """SELECT (position - 1) * %(bars)s / %(head)s, count(*) FROM views.audit_log
WHERE account_id = %(account)s AND kind = ANY(%(kinds)s) AND position <= %(head)s GROUP BY 1"""
_BEFORE = """SELECT max(found.position) FROM unnest(%(kinds)s::text[]) AS k (kind) CROSS JOIN LATERAL (
    SELECT position FROM views.audit_log WHERE account_id = %(account)s AND kind = k.kind AND position < %(position)s
    ORDER BY position DESC LIMIT 1) AS found"""
_AFTER = """SELECT min(found.position) FROM unnest(%(kinds)s::text[]) AS k (kind) CROSS JOIN LATERAL (
    SELECT position FROM views.audit_log WHERE account_id = %(account)s AND kind = k.kind AND position > %(position)s
    ORDER BY position LIMIT 1) AS found"""
_ENDINGS = """SELECT grant_id::text, ended_reason, ended_at, ended_position FROM views.sessions
WHERE account_id = %s AND grant_id = ANY(%s::uuid[]) AND ended_reason IS NOT NULL"""
_EVENT = """SELECT e.topic FROM positions p JOIN events e USING (originator_id, originator_version)
WHERE p.position = %s AND p.account_id = %s"""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session ended; `position` None where time ended it."""

    reason: str
    at: datetime | None
    position: int | None


def bars(connection: Connection, account_id: str, head: int, number: int) -> list[int]:
    """How many events changed access in each of equal runs of positions."""
    found = [0] * number
    if head:
        for slot, count in connection.execute(_BARS, {"account": account_id, "kinds": KINDS, "head": head, "bars": number}):
            found[slot] = count
    return found


def change_before(connection: Connection, account_id: str, position: int) -> int | None:
    """The last change before an event; stepping there shows what held before this one."""
    return _step(connection, _BEFORE, account_id, position)


def change_after(connection: Connection, account_id: str, position: int) -> int | None:
    """The next change after an event."""
    return _step(connection, _AFTER, account_id, position)


def endings(connection: Connection, account_id: str, grant_ids: list[str]) -> dict[str, Ending]:
    """How those of these sessions ended that did."""
    return {row[0]: Ending(*row[1:]) for row in connection.execute(_ENDINGS, (account_id, grant_ids))}


def topic_at(connection: Connection, account_id: str, position: int) -> str | None:
    """What happened there, if it was the account's own."""
    row = connection.execute(_EVENT, (position, account_id)).fetchone()
    return None if row is None else str(row[0])


def _step(connection: Connection, sql: str, account_id: str, position: int) -> int | None:
    row = connection.execute(sql.encode(), {"account": account_id, "kinds": KINDS, "position": position}).fetchone()
    return None if row is None or row[0] is None else int(row[0])
