"""Where the projections stand: for the lag line of every page, for readiness, and for `projections status`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from projections import view
from projections.connection import Connection
from projections.definition import Projection
from projections.registry import PROJECTIONS

TAnswer = TypeVar("TAnswer")


@dataclass(frozen=True, slots=True)
class Lag:
    """`position`: what the slowest projection holds, of `head`. `seconds`: since the views were last known to be current, how long the oldest
    event waits where they are behind, or how long ago they stopped. `stopped` says why one stopped."""

    position: int
    head: int
    seconds: float
    stopped: str | None

    @property
    def behind(self) -> int:
        return max(0, self.head - self.position)


@dataclass(frozen=True, slots=True)
class Status:
    """One projection. `wanted` is this program's version; `building` how far a build beside it has come."""

    name: str
    version: int
    wanted: int
    state: str
    position: int
    head: int
    error: str | None
    updated_at: datetime | None
    building: int | None


def lag(connection: Connection, name: str | None = None) -> Lag:
    """The lag of one projection, or of the slowest."""
    position, head, beat, waiting, error, stopped = view.lag(connection, name)
    if error is not None:
        return Lag(position, head, float(stopped), error)
    never = 1e9 if beat is None else float(beat)
    return Lag(position, head, max(0.0, never, float(waiting) if head > position and waiting is not None else 0.0), None)


def is_current(connection: Connection, within: float) -> bool:
    """Whether no projection has stopped, and none leaves an event waiting for longer than `within` seconds."""
    position, head, _, waiting, error, _ = view.lag(connection, None)
    return error is None and (position >= head or (waiting is not None and float(waiting) <= within))


def status(connection: Connection, projections: Sequence[Projection] = PROJECTIONS) -> list[Status]:
    """Every projection, in the registry's order; state `missing` where it has no tables yet."""
    standings, head = view.standings(connection), view.head(connection)
    found = []
    for projection in projections:
        standing = standings.get(projection.name)
        build = standings.get(f"{projection.name}/building")
        building = build.position if build else None
        if standing is None:
            found.append(Status(projection.name, 0, projection.version, "missing", 0, head, None, None, building))
        else:
            found.append(
                Status(
                    projection.name, standing.version, projection.version, standing.state, standing.position, head, standing.error,
                    standing.updated_at, building,
                )
            )  # fmt: skip
    return found


def wait_until(connection: Connection, position: int, timeout: float, name: str | None = None) -> bool:
    """Wait until a projection (or all that run) holds an event: read your own writes. False if it takes longer than `timeout` seconds."""
    return _asked(lambda: view.holds(connection, position, name) or None, timeout) is not None


def wait_for_event(connection: Connection, account_id: str, stream_id: UUID, version: int, timeout: float) -> int | None:
    """The position of an account's event, once it has one; None if it takes longer than `timeout` seconds, or is none of the account's."""
    return _asked(lambda: view.position_of(connection, account_id, stream_id, version), timeout)


def _asked(ask: Callable[[], TAnswer | None], timeout: float) -> TAnswer | None:
    """The answer, asked for at growing intervals until there is one."""
    deadline, pause = time.monotonic() + timeout, 0.002
    while (found := ask()) is None:
        if time.monotonic() + pause > deadline:
            return None
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)
    return found
