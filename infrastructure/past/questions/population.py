"""All sessions that began or ended between two moments, counted provably, and a sample of them that anybody can draw again from its seed."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from infrastructure.past.answers import Answer, Line, Past, counted
from infrastructure.past.moments import moment_at
from infrastructure.past.questions.asked import Asking

_CHANGES = """
SELECT grant_id::text, 'began', created_position, created_at, member_id::text, client_id, NULL FROM views.sessions
WHERE account_id = %(account)s AND created_position > %(low)s AND created_position <= %(high)s
UNION ALL
SELECT grant_id::text, 'ended', ended_position, ended_at, member_id::text, client_id, ended_reason FROM views.sessions
WHERE account_id = %(account)s AND ended_position > %(low)s AND ended_position <= %(high)s AND (expired_at IS NULL OR expired_at >= ended_at)
UNION ALL
SELECT s.grant_id::text, 'ended', noted.position, noted.at, s.member_id::text, s.client_id, s.expired_which
FROM views.audit_log noted JOIN views.sessions s ON s.grant_id = noted.grant_id AND s.expired_at = noted.at
WHERE noted.account_id = %(account)s AND noted.kind = 'oauth_grant.expired' AND noted.position > %(low)s AND noted.position <= %(high)s
    AND (s.ended_at IS NULL OR s.expired_at < s.ended_at)
ORDER BY 3"""
_SUMS = """
SELECT p.position, e.originator_id, e.originator_version, e.topic, e.state FROM positions p
JOIN events e ON e.originator_id = p.originator_id AND e.originator_version = p.originator_version
WHERE p.account_id = %(account)s AND e.topic = 'ledger.summed' AND p.position {side} %(position)s ORDER BY p.position {order} LIMIT 1"""
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def population(past: Past, asking: Asking) -> Answer:
    """Lines in the ledger's order; with `sample`, those of as many sessions whose SHA-256 of seed, colon and session id is smallest.
    A session that time ended counts where that was noted, whatever ended its app or person later.

    The count is provable: the sums before and after tell how many events the account had, so an export of that range shows that none was left out.
    """
    low, high = moment_at(past.connection, asking.since or _BEGINNING), moment_at(past.connection, asking.until or asking.now.at)
    rows = past.connection.execute(_CHANGES, {"account": past.account_id, "low": low.position, "high": high.position}).fetchall()
    lines = [_line(row) for row in rows]
    began = sum(line.facts["what"] == "began" for line in lines)
    sums = _summed(past, low.position, high.position)
    says = f"{counted(began, 'session')} began and {len(lines) - began} ended between events {low.position:,} and {high.position:,}{sums}."
    if asking.sample is not None:
        drawn = sorted({line.facts["grant_id"] for line in lines}, key=lambda grant_id: _draw(asking.seed, grant_id))[: asking.sample]
        lines = [line for line in lines if line.facts["grant_id"] in drawn]
        says += f" Drawn by the seed {asking.seed!r}: {counted(len(drawn), 'session')}."
    return Answer("population", high.position, high.at, says, tuple(lines))


def _line(row: tuple[Any, ...]) -> Line:
    grant_id, what, position, at, member_id, client_id, reason = row
    facts = {"what": what, "grant_id": grant_id, "at": at, "member_id": member_id, "client_id": client_id, "reason": reason}
    return Line(facts, {what: (position,)})


def _draw(seed: str, grant_id: str) -> str:
    return hashlib.sha256(f"{seed}:{grant_id}".encode()).hexdigest()


def _summed(past: Past, low: int, high: int) -> str:
    before, after = _sum(past, "<=", "DESC", low), _sum(past, ">=", "", high)
    if after is None:
        return " (no sum was taken after it yet)"
    earlier = "0 events before it" if before is None else f"{before[1]:,} events at event {before[0]:,}"
    return f" (the account's sums: {earlier}, {after[1]:,} at event {after[0]:,})"


def _sum(past: Past, side: str, order: str, position: int) -> tuple[int, int] | None:
    query = _SUMS.format(side=side, order=order)
    row = past.connection.execute(query.encode(), {"account": past.account_id, "position": position}).fetchone()
    return None if row is None else (row[0], past.mapper.decode(row[1], row[2], row[3], bytes(row[4])).count)
