"""What the audit log answers by itself: what a person did, what failed or was changed, who read the record and when it was not signed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from infrastructure.past.answers import Answer, Facts, Line, Past, counted, seconds_between
from infrastructure.past.questions.asked import Asking
from projections.audit_log.queries import AuditEntry, export

MOST = 10_000
"""Lines of one answer; more are asked for in pieces of time, or exported."""

TROUBLE = (
    "login.password.failed", "login.sso.failed", "refresh_token.reuse_detected", "refresh_token.replayed", "authorization_code.replayed",
    "oauth_client.authorization_denied", "oauth_client.blocked", "password.changed", "signing_key.rotated", "resource.rotated",
    "auth_provider.changed",
    "policy.changed", "scopes.published", "plan.changed", "ledger.changed",
)  # fmt: skip
READING = ("audit_log.exported", "ledger.changed")
LATE_S = 2.0
_LATE = """
SELECT size, at, waited FROM (
    SELECT c.size, c.at, c.at - (SELECT p.at FROM positions p WHERE p.position = coalesce(b.size, 0) + 1) AS waited
    FROM ledger_checkpoints c LEFT JOIN LATERAL (
        SELECT size FROM ledger_checkpoints x WHERE x.origin = c.origin AND x.size < c.size ORDER BY size DESC LIMIT 1) b ON true
    WHERE c.size <= %s) found WHERE waited > make_interval(secs => %s) ORDER BY size DESC LIMIT %s"""


def deeds(past: Past, asking: Asking) -> Answer:
    """Everything that a person did, newest first, each with its address and the app that it went through."""
    return _entries(past, asking, "deeds", lambda e: e.actor_id == asking.member_id, "did nothing that was recorded", member=asking.member_id)


def trouble(past: Past, asking: Asking) -> Answer:
    """Failed and refused attempts, spent tokens that came back, and changes of credentials, keys and settings."""
    return _entries(past, asking, "trouble", _is_no_deposit, "There was none", event_type=TROUBLE, member=asking.member_id)


def reading(past: Past, asking: Asking) -> Answer:
    """Who took parts of the audit log, what happened to the log's signing, and each event that waited for a checkpoint longer than it may."""
    answer = _entries(past, asking, "reading", _is_no_deposit, "Nobody exported anything", event_type=READING)
    late = [
        Line({"what": "signed late", "at": at, "seconds": seconds_between(at - waited, at), "checkpoint_size": size})
        for size, at, waited in past.connection.execute(_LATE, (asking.moment.position, LATE_S, MOST)).fetchall()
        if (asking.since is None or at >= asking.since) and (asking.until is None or at < asking.until)
    ]
    says = f"{answer.says} {counted(len(late), 'checkpoint')} came later than {LATE_S:g} s." if late else f"{answer.says} No checkpoint came late."
    return Answer("reading", answer.position, answer.at, says, (*answer.lines, *late))


def _is_no_deposit(entry: AuditEntry) -> bool:
    """Checkpoints that were deposited outside are neither trouble nor changes."""
    return "receipt" not in entry.event_context


def _entries(past: Past, asking: Asking, name: str, wanted: Callable[[AuditEntry], bool], none: str, **filters: Any) -> Answer:
    given = {key: value for key, value in filters.items() if value is not None}
    found = export(past.connection, past.account_id, since=asking.since, until=asking.until, before_position=asking.moment.position + 1, **given)
    lines = tuple(_lines(found, wanted))
    who = (past.names([asking.member_id]).get(asking.member_id, asking.member_id) + " ") if name == "deeds" and asking.member_id else ""
    says = (
        f"{who}{none}."
        if not lines
        else f"{counted(len(lines), 'entry', 'entries')}{', the newest; ask for less time' if len(lines) == MOST else ''}."
    )
    return Answer(name, asking.moment.position, asking.moment.at, says, lines)


def _lines(found: Iterable[AuditEntry], wanted: Callable[[AuditEntry], bool]) -> Iterable[Line]:
    number = 0
    for entry in found:
        if wanted(entry):
            yield Line(_facts(entry), {"event": (entry.position,)})
            number += 1
            if number == MOST:
                return


def _what(entry: AuditEntry) -> str:
    """The event's type; where it concerns the signing of the log, what became of that."""
    if entry.event_type == "ledger.changed" and "waited" in entry.event_context:
        return "signing began again"
    return "signing stopped" if entry.event_type == "ledger.changed" and "why" in entry.event_context else entry.event_type


def _facts(entry: AuditEntry) -> Facts:
    return {
        "what": _what(entry), "at": entry.created_at, "by": entry.actor_name or entry.actor_id, "address": entry.actor_ip,
        "through": entry.source, "app": entry.client_name,
        "about": entry.subject_name or entry.subject_id, "grant_id": entry.grant_id, "facts": entry.event_context,
    }  # fmt: skip
