"""Stored rows folded into aggregates, always on copies."""

from __future__ import annotations

from typing import NamedTuple, TypeVar
from uuid import UUID

from psycopg import pq

from domain.base import Stream
from domain.ids import from_bytes
from infrastructure.store.errors import UnreadableEvent
from infrastructure.store.mapper import EventMapper
from infrastructure.store.statements import from_bigint

TStream = TypeVar("TStream", bound=Stream)


class Row(NamedTuple):
    """One stored event (or snapshot, or key) as read."""

    stream_id: UUID | None
    version: int
    topic: str
    state: bytes


def rows_of(result: pq.abc.PGresult) -> list[Row]:
    """The rows of a tail statement; in no order across streams."""
    get = result.get_value
    return [_row(get(n, 0), get(n, 1), get(n, 2), get(n, 3)) for n in range(result.ntuples)]


def _row(stream: bytes | None, version: bytes | None, topic: bytes | None, state: bytes | None) -> Row:
    return Row(None if stream is None else from_bytes(stream), from_bigint(version or b""), (topic or b"").decode(), state or b"")


class Folder:
    """Makes aggregates from events."""

    def __init__(self, mapper: EventMapper) -> None:
        self._mapper = mapper

    def fold(self, kind: type[TStream], base: Stream | None, rows: list[Row]) -> TStream | None:
        """`base` (untouched) moved on by the rows newer than it; None if the stream is empty or of another kind."""
        if base is not None and not isinstance(base, kind):
            return None
        aggregate: Stream | None = base
        for row in sorted(rows, key=lambda r: r.version):
            if aggregate is None or row.version > aggregate.version:
                aggregate = self._applied(base, aggregate, row)
        return aggregate if isinstance(aggregate, kind) else None

    def _applied(self, base: Stream | None, aggregate: Stream | None, row: Row) -> Stream:
        if row.stream_id is None:
            raise ValueError("a row without a stream is no event")
        event = self._mapper.decode(row.stream_id, row.version, row.topic, row.state)
        target = aggregate.copy() if aggregate is not None and aggregate is base else aggregate
        try:
            moved: Stream = event.mutate(target)
        except Exception as error:  # whatever a corrupt history raises: no decision is taken on it
            raise UnreadableEvent(f"Event {row.stream_id}:{row.version} ({row.topic}) doesn't fit the stream before it.") from error
        return moved
