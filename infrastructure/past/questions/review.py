"""An access review: every live session by its owner, when it was last used, and which were not for a quarter of a year."""

from __future__ import annotations

from datetime import datetime

from domain.access import Standing, access
from infrastructure.past.answers import Answer, Line, Past, counted
from infrastructure.past.holders import Asked, Holders
from infrastructure.past.questions.asked import Asking

UNUSED_DAYS = 90
_LAST_ACTION = """
SELECT g.id::text, found.position, found.at FROM unnest(%s::uuid[]) AS g (id) CROSS JOIN LATERAL (
    SELECT position, at FROM views.audit_log WHERE grant_id = g.id AND kind = 'action.performed' AND position <= %s
    ORDER BY position DESC LIMIT 1) AS found"""


def review(past: Past, asking: Asking) -> Answer:
    """A line for each session that was live. It was used when it last got tokens, or an action through it was recorded."""
    states, standings = Holders(past.connection, past.mapper, past.keyring, past.account_id).live(
        asking.moment, Asked(asking.member_id, asking.client_stream)
    )
    names, actions = past.names(s.grant.member_id for s in standings), _last_actions(past, standings, asking.moment.position)
    lines = []
    for standing in sorted(standings, key=lambda s: (names.get(s.grant.member_id, ""), s.grant.member_id, s.client.name)):
        grant, begun = standing.grant, states.place(standing.grant.id, 1)
        used, cited = max((grant.created_on, begun), actions.get(str(grant.id), (grant.created_on, begun)))
        if grant.issued is not None:
            used, cited = max((used, cited), (grant.issued.at, states.place(grant.id, grant.issued.version)))
        days = (asking.moment.at - used).days
        facts = {
            "person": names.get(grant.member_id), "member_id": grant.member_id, "app": standing.client.name, "client_id": grant.client_id,
            "grant_id": str(grant.id), "scopes": list(access(standing).scopes), "last_used": used, "unused_days": days, "unused": days >= UNUSED_DAYS,
        }  # fmt: skip
        lines.append(Line(facts, {"grant": (begun,), "last use": (cited,)}))
    unused = sum(line.facts["unused"] for line in lines)
    says = f"{counted(len(lines), 'live session')}; {unused} not used for {UNUSED_DAYS} days." if lines else "No session was live."
    return Answer("review", asking.moment.position, asking.moment.at, says, tuple(lines))


def _last_actions(past: Past, standings: list[Standing], position: int) -> dict[str, tuple[datetime, int]]:
    rows = past.connection.execute(_LAST_ACTION, ([s.grant.id for s in standings], position)).fetchall()
    return {grant_id: (at, found) for grant_id, found, at in rows}
