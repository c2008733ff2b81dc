"""Every view compared with the events again and again, by the leading projector, beside its work."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg

from infrastructure.clock import now
from infrastructure.database import connect
from infrastructure.logs import get_logger
from projections.comparing.comparison import Difference
from projections.definition import Projection
from projections.events import PersonalReader
from projections.rebuild import AlreadyBuilding, RebuildFailed
from projections.verify import NotComparable, verify

LOOK_EVERY = 60.0
"""Seconds between looks at whether it is time."""
_BATCH = 1_000
_RESULT = "views.checked"
_SET = "INSERT INTO store_meta (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"

Connection = psycopg.Connection[Any]
log = get_logger("projector")


@dataclass(frozen=True, slots=True)
class Checked:
    """What the last check found: when it ended (UTC), how long it took, rows that differ per projection, and why one was not compared."""

    at: datetime
    seconds: float
    differences: dict[str, int] = field(default_factory=dict)
    not_compared: dict[str, str] = field(default_factory=dict)

    @property
    def differing(self) -> list[str]:
        """The projections that are not as the events say."""
        return sorted(name for name, rows in self.differences.items() if rows)


def last_check(connection: Connection) -> Checked | None:
    """The last check that came to its end."""
    row = connection.execute("SELECT value FROM store_meta WHERE key = %s", (_RESULT,)).fetchone()
    if row is None:
        return None
    kept = json.loads(row[0])
    return Checked(**kept | {"at": datetime.fromisoformat(kept["at"])})


class ViewsCheck:
    """One per process. `every`: how long after a check the next one begins."""

    def __init__(
        self,
        dsn: str,
        new_reader: Callable[[], PersonalReader],
        projections: Sequence[Projection],
        every: timedelta,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._dsn, self._new_reader, self._projections, self._every, self._clock = dsn, new_reader, projections, every, clock

    def round(self, stop: threading.Event) -> Checked | None:
        """Check all views if it is time, one after another; None if it is not, or if `stop` was set on the way."""
        with connect(self._dsn) as connection, connect(self._dsn) as snapshot:
            last = last_check(connection)
            if last is not None and self._clock() - last.at < self._every:
                return None
            began = time.monotonic()
            found = Checked(self._clock(), 0.0)
            for projection in self._projections:
                try:
                    rows = self._differences(connection, snapshot, projection, stop)
                except (AlreadyBuilding, NotComparable, RebuildFailed) as error:
                    found.not_compared[projection.name] = str(error)
                    continue
                if rows is None:
                    return None
                found.differences[projection.name] = rows
            done = Checked(self._clock(), round(time.monotonic() - began, 1), found.differences, found.not_compared)
            connection.execute(_SET, (_RESULT, json.dumps(asdict(done) | {"at": done.at.isoformat()})))
        _tell(done)
        return done

    def _differences(self, connection: Connection, snapshot: Connection, projection: Projection, stop: threading.Event) -> int | None:
        """After each batch it rests for as long as that took: the live views come first."""
        rows, began = 0, time.monotonic()
        steps = verify(connection, snapshot, projection, self._new_reader(), _BATCH)
        try:
            for step in steps:
                if isinstance(step, Difference):
                    rows += 1
                elif stop.wait(time.monotonic() - began):
                    return None
                began = time.monotonic()
        finally:
            steps.close()
        return rows


def _tell(done: Checked) -> None:
    if done.differing:
        log.error("views.differ", rows={name: done.differences[name] for name in done.differing}, seconds=done.seconds)
    else:
        log.info("views.checked", seconds=done.seconds, not_compared=sorted(done.not_compared))
