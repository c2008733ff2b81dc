"""When sessions ended, by whom and why; when the last access token could no longer be used; whether any was given after."""

from __future__ import annotations

from collections.abc import Sequence

from domain.access import Standing
from infrastructure.past.answers import Answer, Facts, Line, Past, counted, seconds_between
from infrastructure.past.questions.asked import Asking
from infrastructure.past.questions.sessions import End, ends_of, last_expiry, standings_at
from infrastructure.past.tokens import tokens_of
from infrastructure.store.reader import PositionedEvent

_SESSIONS = """
SELECT grant_id::text, member_id::text, client_id FROM views.sessions
WHERE account_id = %(account)s AND exchanged_at IS NOT NULL AND created_position <= %(position)s
AND (%(grant)s::uuid IS NULL OR grant_id = %(grant)s) AND (%(member)s::uuid IS NULL OR member_id = %(member)s)
AND (%(client)s::uuid IS NULL OR client_stream = %(client)s)
ORDER BY created_position DESC LIMIT %(most)s"""
MOST = 500
"""Sessions of one answer, the newest. `population` counts them all."""


def ending(past: Past, asking: Asking) -> Answer:
    """A line for each session. `gap_seconds`: how long after the end a resource that only looks at the token itself may have taken it; one that asks
    (introspection, the gateway) refused the next request. `issued_after` should be empty."""
    given = {
        "account": past.account_id, "position": asking.moment.position, "grant": asking.grant_id, "member": asking.member_id,
        "client": asking.client_stream, "most": MOST,
    }  # fmt: skip
    rows = past.connection.execute(_SESSIONS, given).fetchall()
    names = past.names(row[1] for row in rows)
    grants = [row[0] for row in rows]
    ends, standings = ends_of(past, grants, asking.moment), standings_at(past, grants, asking.moment.position)
    told = tokens_of(past, standings, {grant: end.position for grant, end in ends.items() if end.position is not None}, asking.moment.position)
    lines = tuple(_line(row, names, ends.get(row[0]), standings.get(row[0]), told.get(row[0], [])) for row in rows)
    return Answer("ending", asking.moment.position, asking.moment.at, _says(lines), lines)


def _line(row: tuple[str, str, str], names: dict[str, str], end: End | None, standing: Standing | None, tokens: Sequence[PositionedEvent]) -> Line:
    grant_id, member_id, client_id = row
    dies = None if standing is None else last_expiry(standing, tokens, end)
    after = tuple(told.position for told in tokens if end is not None and end.position is not None and told.position > end.position)
    facts: Facts = {"grant_id": grant_id, "person": names.get(member_id), "member_id": member_id, "client_id": client_id, "ended": end is not None}
    if end is not None:
        facts |= {"at": end.at, "reason": end.reason, "by": end.by, "through": end.through, "why": end.why}
        gap = None if dies is None else max(0.0, seconds_between(end.at, dies))
        facts |= {"last_access_token_died": dies, "gap_seconds": gap, "issued_after": list(after)}
    because = {"began": tuple(told.position for told in tokens[:1]), "last token": tuple(told.position for told in tokens[-1:])}
    if end is not None and end.position is not None:
        because["end"] = (end.position,)
    return Line(facts, because)


def _says(lines: tuple[Line, ...]) -> str:
    if not lines:
        return "There was no such session."
    ended = [line.facts for line in lines if line.facts["ended"]]
    if not ended:
        return f"No: none of {len(lines)} sessions has ended." if len(lines) > 1 else "No: the session has not ended."
    late = sum(bool(facts["issued_after"]) for facts in ended)
    tokens = "no token was given after an end" if not late else f"in {late} of them tokens were given after the end"
    newest = "the newest " if len(lines) == MOST else ""
    return f"{len(ended)} of {newest}{counted(len(lines), 'session')} ended; {tokens}."
