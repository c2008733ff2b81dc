"""Points of the past: a position of the ledger, and the time that it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]
_AT = "SELECT at FROM positions WHERE position = %s"


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything up to `position` has happened, and it is `at` o'clock. Position 0: nothing yet."""

    position: int
    at: datetime

    def precedes(self, other: Moment) -> bool:
        """Whether less had happened, or it was earlier."""
        return self.position < other.position or self.at < other.at


def is_to_come(at: datetime, now: datetime) -> bool:
    """Whether nobody can know yet what will have happened by then. Clocks that differ by less than a minute are no reason to refuse."""
    return at > now + timedelta(minutes=1)


def head(connection: Connection) -> int:
    """The last position."""
    row = connection.execute("SELECT coalesce(max(position), 0) FROM positions").fetchone()
    return int(row[0]) if row else 0


def moment_at(connection: Connection, at: datetime) -> Moment:
    """What had happened by a time. The ledger's time never goes back, so a search by halves finds it."""
    low, high = 0, head(connection)
    while low < high:
        middle = (low + high + 1) // 2
        if _time_of(connection, middle) <= at:
            low = middle
        else:
            high = middle - 1
    return Moment(low, at)


def moment_of(connection: Connection, position: int) -> Moment | None:
    """The moment right after a position; None if there is no such event yet."""
    row = connection.execute(_AT, (position,)).fetchone()
    return None if row is None else Moment(position, row[0])


def _time_of(connection: Connection, position: int) -> datetime:
    row = connection.execute(_AT, (position,), prepare=True).fetchone()
    assert row is not None
    at: datetime = row[0]
    return at
