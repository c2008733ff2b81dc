"""How far back the record goes, who was erased from it, and what is held."""

from __future__ import annotations

from typing import Any

from infrastructure.past.answers import Answer, Line, Past, counted
from infrastructure.past.questions.asked import Asking
from infrastructure.store.reader import PositionedEvent

MONTHS, YEAR_DAYS = 12, 366
_FIRST = "SELECT position, at FROM positions WHERE account_id = %s ORDER BY position LIMIT 1"
_COUNT = "SELECT count(*) FROM positions WHERE account_id = %s AND position <= %s"
_TOPICS = ("member.erased", "ledger.hold_placed", "ledger.hold_released", "ledger.retention_changed", "ledger.keys_expired", "segment.archived")
_RULING = """
SELECT p.position FROM positions p JOIN events e ON e.originator_id = p.originator_id AND e.originator_version = p.originator_version
WHERE p.account_id = %s AND p.position <= %s AND e.topic = ANY(%s) ORDER BY p.position"""


def kept(past: Past, asking: Asking) -> Answer:
    """The first line says since when everything is kept, all of it ready at once; then each erasure, with its request, and each hold."""
    first = past.connection.execute(_FIRST, (past.account_id,)).fetchone()
    if first is None or first[0] > asking.moment.position:
        return Answer("kept", asking.moment.position, asking.moment.at, "Nothing was recorded yet.", ())
    (count,) = past.connection.execute(_COUNT, (past.account_id, asking.moment.position)).fetchone() or (0,)
    days = (asking.moment.at - first[1]).days
    whole = Line({"what": "kept since", "at": first[1], "events": count, "days": days, "ready": True}, {"first": (first[0],)})
    rows = past.connection.execute(_RULING, (past.account_id, asking.moment.position, list(_TOPICS))).fetchall()
    lines = [whole, *(_line(past, told) for told in past.at(row[0] for row in rows))]
    erased = sum(line.facts["what"] == "member.erased" for line in lines)
    long = "for at least" if days >= YEAR_DAYS else "for less than"
    says = f"{counted(count, 'event')} kept and ready, {long} {MONTHS} months; {counted(erased, 'person was', 'people were')} erased."
    return Answer("kept", asking.moment.position, asking.moment.at, says, tuple(lines))


def _line(past: Past, told: PositionedEvent) -> Line:
    event: Any = told.event
    member = str(told.stream_id) if told.topic == "member.erased" else getattr(event, "member_id", None)
    facts = {
        "what": told.topic, "at": told.at, "by": event.actor_id, "member_id": member, "request": getattr(event, "request", None),
        "matter": past.opened(getattr(event, "matter", None), told),
    }  # fmt: skip
    return Line(facts, {told.topic.rpartition(".")[2]: (told.position,)})
