"""Sessions judged together from an earlier moment on, beside the same ones judged one by one from the beginning."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from infrastructure.past.answers import Past
from infrastructure.past.judging import Session, Wanted, judged
from infrastructure.past.moments import Moment

Told = list[tuple[UUID, dict[str, tuple[bool, int | None]]]]


def together_as_one_by_one(past: Past, wanted: Sequence[Wanted], earlier: Moment, later: Moment) -> None:
    """Both tell the same of what came after the earlier moment."""
    for together, one in zip(judged(past, wanted, later, earlier.position), wanted, strict=True):
        (alone,) = judged(past, [one], later)
        assert _after(together, earlier.position) == _after(alone, earlier.position), one


def _after(sessions: Sequence[Session], since: int) -> Told:
    """Of each session whether its conditions hold, and the event that made it so: 0 where that was before, None where time did."""
    return [
        (s.grant_id, {name: (c.holds, c.position if c.position is None or c.position > since else 0) for name, c in s.found.items()})
        for s in sessions
    ]
