"""The events that a build takes, batch by batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from projections.connection import Connection
from projections.events import Event, decode
from projections.feed import view

_TAKEN_IN_EVERY = 100  # events: about half of what a socket holds, so the database needn't wait


class Feed:
    """Where there is another connection, `ahead`, the database reads the next batch on it while the last one is folded and written."""

    def __init__(self, connection: Connection, topics: Collection[str], ahead: Connection | None = None) -> None:
        self._connection = connection if ahead is None else ahead
        self._reads_ahead = ahead is not None
        self._topics = sorted(topics)
        self._asked: tuple[int, int] | None = None

    def read(self, after: int, until: int, then: int = 0) -> Iterator[Event]:
        """The events after one position up to another, in order, decoded one by one; those from there up to `then` come next."""
        if self._asked != (after, until):
            self.rest()
            self._ask(after, until)
        self._asked, rows = None, view.answered(self._connection)
        if self._reads_ahead and then > until:
            self._ask(until, then)
        return self._decoded(rows)

    def rest(self) -> None:
        """Give the connection back: what was asked for and not read is taken in and dropped."""
        if self._asked is not None:
            self._asked = None
            view.drop(self._connection)

    def _ask(self, after: int, until: int) -> None:
        view.ask(self._connection, after, until, self._topics)
        self._asked = after, until

    def _decoded(self, rows: list[tuple[Any, ...]]) -> Iterator[Event]:
        for number, row in enumerate(rows):
            if self._asked is not None and number % _TAKEN_IN_EVERY == 0:
                view.take_in(self._connection)
            yield decode(row)
