"""Which spent refresh tokens came back, and whether it looks like a race or a theft."""

from __future__ import annotations

from uuid import UUID

from infrastructure.past.answers import Answer, Line, Past, counted
from infrastructure.past.questions.asked import Asking
from infrastructure.past.reuse import Reuse, reuses_of

_DETECTED = """
SELECT l.grant_id::text, s.member_id::text, s.client_id FROM views.audit_log l JOIN views.sessions s USING (grant_id)
WHERE l.account_id = %(account)s AND l.kind = 'refresh_token.reuse_detected' AND l.position <= %(position)s
AND (%(grant)s::uuid IS NULL OR l.grant_id = %(grant)s) AND (%(member)s::uuid IS NULL OR s.member_id = %(member)s)
AND (%(client)s::uuid IS NULL OR s.client_stream = %(client)s) AND (%(since)s::timestamptz IS NULL OR l.at >= %(since)s)
AND (%(until)s::timestamptz IS NULL OR l.at < %(until)s) ORDER BY l.position DESC LIMIT 1000"""


def stolen(past: Past, asking: Asking) -> Answer:
    """A line for each detection, newest first: both uses of the token, the seconds between them, and what it looks like."""
    given = {
        "account": past.account_id, "position": asking.moment.position, "grant": asking.grant_id, "member": asking.member_id,
        "client": asking.client_stream, "since": asking.since, "until": asking.until,
    }  # fmt: skip
    rows = past.connection.execute(_DETECTED, given).fetchall()
    names = past.names(row[1] for row in rows)
    lines = tuple(_line(row, names, reuse) for row in rows for reuse in reuses_of(past, UUID(row[0]), asking.moment.position))
    thefts = sum(line.facts["looks_like"] == "theft" for line in lines)
    says = f"{counted(len(lines), 'spent token')} came back; {thefts} of them from elsewhere." if lines else "No spent token came back."
    return Answer("reuse", asking.moment.position, asking.moment.at, says, lines)


def _line(row: tuple[str, str, str], names: dict[str, str], reuse: Reuse) -> Line:
    first, again = reuse.first, reuse.again
    facts = {
        "grant_id": row[0], "person": names.get(row[1]), "member_id": row[1], "client_id": row[2], "generation": reuse.generation,
        "first_at": first and first.at, "first_address": first and first.address, "again_at": again.at, "again_address": again.address,
        "seconds": reuse.seconds, "looks_like": reuse.verdict, "told": reuse.words,
    }  # fmt: skip
    because = {"detected": (again.position,), "spent": () if first is None else (first.position,)}
    return Line(facts, because | ({"in grace": tuple(use.position for use in reuse.in_grace)} if reuse.in_grace else {}))
