"""Counts what is limited in PostgreSQL; under load a worker takes several at once, so that a counter's row is not the bottleneck."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from application.ports import Tables

MOST_AT_ONCE = 128
"""A hundredth of the limit at most, too: so much may be counted and never used where a process is killed."""
_SOON_SECONDS = 1.0
_MOST_BUCKETS, _MOST_GIVEN_BACK = 10_000, 100


class Allowance(NamedTuple):
    """What may be counted in a bucket's window."""

    bucket: str
    window: datetime
    limit: int


@dataclass(slots=True)
class _Taken:
    """What this process has of a bucket. `left`: counted already, not used yet; `refused`: the limit that was reached at `at`, if any."""

    window: datetime
    left: int = 0
    step: int = 1
    at: float = float("-inf")
    refused: int | None = None


class Allowances:
    """One per process. A bucket that is used less than once a second is counted one by one: exactly, and nothing is lost at a restart."""

    def __init__(self) -> None:
        self._taken: dict[str, _Taken] = {}
        self._known: dict[object, tuple[tuple[object, ...], Sequence[Allowance]]] = {}
        self._lock = threading.Lock()

    def known(self, key: object, state: tuple[object, ...], make: Callable[[], Sequence[Allowance]]) -> Sequence[Allowance]:
        """What `make` gave for this key, as long as `state` is what it was then."""
        found = self._known.get(key)
        if found is None or found[0] != state:
            found = (state, make())
            with self._lock:
                if len(self._known) >= _MOST_BUCKETS:
                    self._known.clear()
                self._known[key] = found
        return found[1]

    def take_each(self, tables: Tables, wanted: Sequence[Allowance]) -> Allowance | None:
        """Count one more in each; the first whose limit is reached, if any (what stands before it is counted, what comes after is not)."""
        return next((each for each in wanted if not self.take(tables, *each)), None)

    def take(self, tables: Tables, bucket: str, window: datetime, limit: int) -> bool:
        """Count one more in the bucket's window; False if the limit is reached (then it is not counted)."""
        with self._lock:
            taken = self._taken.get(bucket)
            if taken is None or taken.window != window:
                taken = _Taken(window)
            if taken.left > 0:
                taken.left -= 1
                return True
            lately = time.monotonic() - taken.at <= _SOON_SECONDS
            if lately and taken.refused == limit:
                return False
            step = min(taken.step * 2, MOST_AT_ONCE, max(1, limit // 100)) if lately else 1
        return self._count(tables, bucket, window, limit, step)

    def give_back(self, tables: Tables) -> None:
        """At the end of the process: what was counted ahead and never used, of the buckets that have most of it."""
        with self._lock:
            taken, self._taken = self._taken, {}
        for bucket, each in heapq.nlargest(_MOST_GIVEN_BACK, taken.items(), key=lambda item: item[1].left):
            if each.left > 0:
                tables.count(bucket, each.window, -each.left)

    def _count(self, tables: Tables, bucket: str, window: datetime, limit: int, step: int) -> bool:
        beyond = max(0, tables.count(bucket, window, step) - limit)
        granted = step - beyond
        if beyond:
            tables.count(bucket, window, -min(step, beyond))
        with self._lock:
            if len(self._taken) >= _MOST_BUCKETS:
                self._forget()
            before = self._taken.get(bucket)
            left = before.left if before is not None and before.window == window else 0
            self._taken[bucket] = _Taken(window, left + max(0, granted - 1), step, time.monotonic(), limit if granted <= 0 else None)
        return granted > 0

    def _forget(self) -> None:
        """Buckets of which nothing is left, as of most addresses; all where those are too few."""
        kept = {bucket: taken for bucket, taken in self._taken.items() if taken.left}
        self._taken = kept if len(kept) < _MOST_BUCKETS // 2 else {}
