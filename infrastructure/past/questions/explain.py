"""Why something was allowed or refused: every condition of the permission function, and the event that last changed it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.access import Standing
from domain.explaining import conditions
from infrastructure.past.answers import Answer, Line, Past
from infrastructure.past.questions.asked import Asking
from infrastructure.past.states import Folded

_SESSIONS = """
SELECT grant_id, consent_id FROM views.sessions WHERE account_id = %s AND member_id = %s AND client_stream = %s AND created_position <= %s
ORDER BY created_position DESC LIMIT 20"""
_PLACES = """
SELECT p.originator_id, p.position, e.originator_version IS NULL FROM positions p
LEFT JOIN events e ON e.originator_id = p.originator_id AND e.originator_version = p.originator_version
    AND starts_with(e.topic, 'grant.') AND e.topic <> 'grant.tokens_refreshed'
WHERE p.originator_id = ANY(%s) AND p.position <= %s AND p.account_id = %s ORDER BY p.position"""


@dataclass(slots=True)
class _Condition:
    """Whether it holds, since which event, and when that was; `position` None where time changed it."""

    holds: bool
    position: int | None
    at: datetime


def explain(past: Past, asking: Asking) -> Answer:
    """A line for each condition of each session of the person and the app, the session that came closest first."""
    given = (past.account_id, asking.member_id, asking.client_stream, asking.moment.position)
    rows = past.connection.execute(_SESSIONS, given).fetchall()
    told = list(_told(past, asking, dict(rows)).items())
    told.sort(key=lambda one: sum(not condition.holds for condition in one[1].values()))
    lines = tuple(
        Line(
            {"grant_id": str(grant_id), "condition": name, "holds": condition.holds, "since": condition.at},
            {"changed by": (condition.position,)} if condition.position is not None else {},
        )
        for grant_id, found in told
        for name, condition in found.items()
    )
    return Answer("explain", asking.moment.position, asking.moment.at, _says(told), lines)


def _says(told: list[tuple[UUID, dict[str, _Condition]]]) -> str:
    if not told:
        return "Refused: the person had no session with this app."
    failing = {name: condition for name, condition in told[0][1].items() if not condition.holds}
    if not failing:
        last = max((c.position or 0 for c in told[0][1].values()), default=0)
        return f"Allowed: every condition held, the last since event {last:,}."
    said = [f"{name}: no, since {'event ' + format(c.position, ',') if c.position else f'{c.at:%Y-%m-%d %H:%M:%S}'}" for name, c in failing.items()]
    return f"Refused. {'; '.join(said)}."


def _told(past: Past, asking: Asking, consents: dict[UUID, UUID]) -> dict[UUID, dict[str, _Condition]]:
    """Of each session (with its consent), the conditions after each event that it stands on, and at the moment, which time alone may have changed."""
    if not consents:
        return {}
    found: dict[UUID, dict[str, _Condition]] = {grant_id: {} for grant_id in consents}
    streams, scope, until = Folded(), str(asking.scope), asking.moment.position
    shared = {UUID(past.account_id), UUID(str(asking.client_stream)), UUID(str(asking.member_id))}
    others = past.events(shared | set(consents.values()), until)
    own = past.at(_telling(past, list(consents), [told.position for told in others], until))
    for told in sorted((*others, *own), key=lambda one: one.position):
        streams.fold(told.event)
        for grant_id, consent_id in consents.items():
            if told.stream_id in shared or told.stream_id in (grant_id, consent_id):
                _note(found[grant_id], streams.standing(grant_id), scope, asking.project_id, told.position, told.at)
    for grant_id in consents:
        _note(found[grant_id], streams.standing(grant_id), scope, asking.project_id, None, asking.moment.at)
    return found


def _telling(past: Past, grants: list[UUID], others: list[int], until: int) -> Iterator[int]:
    """Positions of the grants' events, but of the rotations between two other events only the first and the last: those between change nothing."""
    rotations: dict[UUID, list[int]] = {grant_id: [] for grant_id in grants}
    marks = {grant_id: [*others, until + 1] for grant_id in grants}
    for grant_id, position, rotated in past.connection.execute(_PLACES, (grants, until, past.account_id)):
        (rotations if rotated else marks)[grant_id].append(position)
    for grant_id in grants:
        yield from (position for position in marks[grant_id][len(others) + 1 :])
        for mark in marks[grant_id]:
            after = bisect_left(rotations[grant_id], mark)
            yield from rotations[grant_id][max(after - 1, 0) : after + 1]


def _note(found: dict[str, _Condition], standing: Standing | None, scope: str, project_id: str | None, position: int | None, at: datetime) -> None:
    """What holds after an event, or at a moment without one; nothing before the session began."""
    if standing is None:
        return
    now = conditions(standing, scope, project_id, at)
    for name in [name for name in found if name not in now]:
        del found[name]
    for name, holds in now.items():
        if name not in found or found[name].holds != holds:
            found[name] = _Condition(holds, position, at)
