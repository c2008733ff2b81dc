"""The one loop that all use cases share: load, decide, append; on a conflict again, and after too many lost tries `Busy`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TypeVar

from application.counting import count
from application.ports import Busy, Conflict

TRIES = 8
_LONGEST_FIRST_PAUSE_MS = 2
TResult = TypeVar("TResult")
_pause: Callable[[float], None] = time.sleep


def pause_by(way: Callable[[float], None]) -> None:
    """How a try waits, in seconds, where sleeping would keep more than its own request waiting."""
    global _pause  # noqa: PLW0603
    _pause = way


def until_settled(attempt: Callable[[], TResult], *, tries: int = TRIES) -> TResult:
    """The result of `attempt`, which loads, decides and appends, each time anew; `Busy` after `tries` conflicts.

    From the second conflict on it waits a few milliseconds, by chance and longer each time, so that rivals spread out.
    """
    for lost in range(tries):
        try:
            return attempt()
        except Conflict:
            count("conflicts")
            if 0 < lost < tries - 1:
                _pause(secrets.randbelow(_LONGEST_FIRST_PAUSE_MS * 1000 << lost) / 1e6)
    count("gave_up")
    raise Busy("Too many changes at once; nothing was changed. Try again.")
