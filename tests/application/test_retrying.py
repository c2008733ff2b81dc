from __future__ import annotations

import pytest

from application.ports import Busy, Conflict
from application.retrying import TRIES, until_settled


class Rivals:
    """Loses the first `lost` tries to others."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        if self.tries <= self.lost:
            raise Conflict
        return "decided"


def test_a_decision_without_rivals_is_taken_once() -> None:
    attempt = Rivals(0)
    assert until_settled(attempt) == "decided"
    assert attempt.tries == 1


def test_a_conflict_makes_it_decide_again() -> None:
    attempt = Rivals(TRIES - 1)
    assert until_settled(attempt) == "decided"
    assert attempt.tries == TRIES


def test_too_many_conflicts_answer_busy_with_a_time_to_wait() -> None:
    with pytest.raises(Busy) as refused:
        until_settled(Rivals(TRIES))
    assert refused.value.retry_after == 1


def test_other_errors_are_not_tried_again() -> None:
    def attempt() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError):
        until_settled(attempt)
