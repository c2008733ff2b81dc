"""Counts of what happened, for whoever operates the server: numbers of this process, cheap enough to be kept on every request."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable

Key = tuple[str, ...]
"""A name of `infrastructure.metrics.METRICS`, and the values of its labels: words of our own, never ids or anything that a client sent."""

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds; a duration is counted with the first bound that it does not exceed, or beyond all of them."""
_SLOTS = len(BOUNDS) + 2


class Counts:
    """Thread-safe. `numbers` are counters, `times` the durations by bound with their sum last, `gauges` what holds now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[Key, float] = {}
        self._times: dict[Key, list[float]] = {}
        self._gauges: dict[Key, Callable[[], float]] = {}

    def add(self, *key: str) -> None:
        """One more."""
        with self._lock:
            self._numbers[key] = self._numbers.get(key, 0) + 1

    def add_many(self, by: float, *key: str) -> None:
        """So many more."""
        with self._lock:
            self._numbers[key] = self._numbers.get(key, 0) + by

    def took(self, seconds: float, *key: str) -> None:
        """Something took so long."""
        self.timer(*key)(seconds)

    def timer(self, *key: str) -> Callable[[float], None]:
        """`took` for this key, for whoever keeps it."""
        lock = self._lock
        with lock:
            slots = self._times.setdefault(key, [0.0] * _SLOTS)

        def timed(seconds: float) -> None:
            slot = bisect_left(BOUNDS, seconds)
            with lock:
                slots[slot] += 1
                slots[-1] += seconds

        return timed

    def watch(self, value: Callable[[], float], *key: str) -> None:
        """Ask for this value whenever the counts are read."""
        self._gauges[key] = value

    def read(self) -> tuple[dict[Key, float], dict[Key, list[float]], dict[Key, float]]:
        """Numbers, times and gauges as they stand."""
        with self._lock:
            numbers, times = dict(self._numbers), {key: list(slots) for key, slots in self._times.items()}
        return numbers, times, {key: value() for key, value in list(self._gauges.items())}


COUNTS = Counts()
"""This process's own. Counting is like logging: it changes nothing that is decided, so it isn't handed from call to call."""
count, took, timer = COUNTS.add, COUNTS.took, COUNTS.timer
