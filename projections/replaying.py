"""Views as they stood at a position: built beside the live ones up to there, and read by their own queries with tables and clock turned back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from typing import Any

from projections import view
from projections.connection import Connection
from projections.definition import Projection
from projections.events import PersonalReader
from projections.rebuild import BATCH, Build, Progress, clear
from projections.registry import BY_NAME

_PURPOSE = "replaying"
_VIEW = re.compile(r"\bviews\.([a-z_]+)\b")
_NOW = re.compile(r"\bnow\(\)")


def clear_abandoned(connection: Connection) -> list[str]:
    """Drop the tables of replays that were killed, and return whose they were. A replay under way holds its lock, and keeps its tables."""
    cleared = []
    for row in [name for name in view.standings(connection) if name.endswith(f"/{_PURPOSE}")]:
        projection, key = BY_NAME.get(row.partition("/")[0]), f"grantbook {row}"
        if projection is None or not view.lock_within(connection, key, 0):
            continue
        try:
            clear(connection, projection, row)
        finally:
            view.unlock(connection, key)
        cleared.append(row)
    return cleared


class TurnedBack:
    """A connection whose statements see the tables of a replay for the stable views, and its time for `now()`."""

    def __init__(self, connection: Connection, tables: Mapping[str, str], at: datetime) -> None:
        self._connection, self._tables = connection, tables
        self._time = f"'{at.isoformat()}'::timestamptz"

    def execute(self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False) -> Any:
        return self._connection.execute(self._turned(query), params, prepare=prepare, binary=binary)

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        return self._connection.cursor(*args, **kwargs)

    def pipeline(self) -> AbstractContextManager[Any]:
        return self._connection.pipeline()

    def transaction(self) -> AbstractContextManager[Any]:
        return self._connection.transaction()

    def _turned(self, query: Any) -> Any:
        if isinstance(query, bytes):
            return self._turned(query.decode()).encode()
        shown = _VIEW.sub(lambda found: self._tables.get(found[1], found[0]), query)
        return _NOW.sub(self._time, shown)


class Replay:
    """Several projections up to one position. Needs an autocommit connection of its own; the tables go at the end.

    Those of a killed one stay until `clear_abandoned`, or until the next replay begins.
    """

    def __init__(
        self, connection: Connection, projections: Sequence[Projection], reader: PersonalReader, position: int, at: datetime, batch: int = BATCH
    ) -> None:
        self._connection, self._position, self._at = connection, position, at
        self._projections = projections
        self._builds = [Build(connection, projection, reader, batch, _PURPOSE) for projection in projections]

    @contextmanager
    def building(self) -> Iterator[Iterator[Progress]]:
        """Build while the progress is read to its end; then `seen` may be asked, until the block is left."""
        with ExitStack() as stack:
            for build in self._builds:
                stack.enter_context(build)
            yield self._progress()

    def seen(self) -> TurnedBack:
        """The connection that the projections' own queries read the past with."""
        tables: dict[str, str] = {}
        for projection, build in zip(self._projections, self._builds, strict=True):
            tables |= projection.names(build.suffix)
        return TurnedBack(self._connection, tables, self._at)

    def _progress(self) -> Iterator[Progress]:
        for projection, build in zip(self._projections, self._builds, strict=True):
            yield from build.catch_up(0, until=self._position)
            projection.index(self._connection, projection.names(build.suffix), "")
