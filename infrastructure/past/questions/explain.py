"""Why something was allowed or refused: every condition of the permission function, and the event that last changed it."""

from __future__ import annotations

from collections.abc import Sequence

from infrastructure.past.answers import Answer, Line, Past
from infrastructure.past.judging import Session, Wanted, judged
from infrastructure.past.questions.asked import Asking


def explain(past: Past, asking: Asking) -> Answer:
    """A line for each condition of each session of the person and the app, the session that came closest first."""
    (told,) = judged(past, [Wanted(str(asking.member_id), str(asking.client_stream), str(asking.scope), asking.project_id)], asking.moment)
    lines = tuple(
        Line(
            {"grant_id": str(session.grant_id), "condition": name, "holds": condition.holds, "since": condition.at},
            {"changed by": (condition.position,)} if condition.position is not None else {},
        )
        for session in told
        for name, condition in session.found.items()
    )
    return Answer("explain", asking.moment.position, asking.moment.at, _says(told), lines)


def _says(told: Sequence[Session]) -> str:
    if not told:
        return "Refused: the person had no session with this app."
    if not told[0].failing:
        last = max((condition.position or 0 for condition in told[0].found.values()), default=0)
        return f"Allowed: every condition held, the last since event {last:,}."
    said = [f"{name}: no, since {f'event {c.position:,}' if c.position else f'{c.at:%Y-%m-%d %H:%M:%S}'}" for name, c in told[0].failing.items()]
    return f"Refused. {'; '.join(said)}."
