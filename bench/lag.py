"""How long events wait for the views: the place of every projection is watched, then compared with the time of each event."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from typing import Any, Self

import psycopg

from infrastructure.clock import now

_EVERY_S = 0.01
_PLACE = "SELECT coalesce(min(position), 0) FROM projections WHERE name NOT LIKE '%/%'"
_EVENTS = "SELECT position, extract(epoch FROM at)::float8 FROM positions WHERE position > %s AND position <= %s"


class Lag:
    """Watches in a thread of its own, on a connection of its own, from `__enter__` to `__exit__`; resolution 10 ms."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._seen: list[tuple[int, float]] = []
        self.seconds: list[float] = []
        """The wait of each event that came in meanwhile, in order of size: from its own time until all views held it."""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        places = [place for place, _ in self._seen]
        rows = self._connection.execute(_EVENTS, (places[0], places[-1])).fetchall()
        self.seconds = sorted(self._seen[bisect_left(places, position)][1] - at for position, at in rows)

    def _watch(self) -> None:
        while not self._ending.is_set():
            row = self._connection.execute(_PLACE, prepare=True).fetchone()
            assert row is not None
            self._seen.append((row[0], now().timestamp()))
            time.sleep(_EVERY_S)
