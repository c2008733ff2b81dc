"""Reading the record: events in position order, and single streams, decoded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from infrastructure.store.mapper import EventMapper

_POSITIONED = """SELECT p.position, p.at, p.account_id, p.originator_id, p.originator_version, e.topic, e.state, p.leaf_hash
FROM positions p JOIN events e USING (originator_id, originator_version)"""
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A positioned event as stored."""

    position: int
    at: datetime
    account_id: UUID
    stream_id: UUID
    version: int
    topic: str
    state: bytes
    leaf_hash: bytes

    @property
    def event_id(self) -> str:
        """What sealed values are bound to."""
        return f"{self.stream_id}:{self.version}"


@dataclass(frozen=True, slots=True)
class PositionedEvent:
    """A positioned event, decoded; personal values are still sealed."""

    position: int
    at: datetime
    account_id: str
    stream_id: UUID
    version: int
    topic: str
    event: Any
    leaf_hash: bytes

    @property
    def event_id(self) -> str:
        """What sealed values are bound to."""
        return f"{self.stream_id}:{self.version}"


def read_rows(connection: psycopg.Connection[Any], after_position: int, limit: int, topics: Collection[str] | None = None) -> list[StoredRow]:
    """The next events after a position, at most `limit` of them. With `topics`, the others among them are left out (fewer rows, the same stretch)."""
    sql = f"{_POSITIONED} WHERE p.position > %s AND p.position <= %s{'' if topics is None else ' AND e.topic = ANY(%s)'} ORDER BY p.position"
    parameters = [after_position, after_position + limit, *([] if topics is None else [list(topics)])]
    with connection.cursor(binary=True) as cursor:
        return [StoredRow(*row) for row in cursor.execute(sql.encode(), parameters, prepare=True)]


def events_of(
    connection: psycopg.Connection[Any],
    mapper: EventMapper,
    account_id: str,
    streams: Iterable[UUID],
    until: int,
    topics: Collection[str] | None = None,
) -> list[PositionedEvent]:
    """An account's events of some streams up to a position, in the ledger's order, decoded."""
    sql = f"{_POSITIONED} WHERE p.account_id = %s AND p.originator_id = ANY(%s) AND p.position <= %s"
    parameters: list[Any] = [account_id, sorted(set(streams)), until, *([] if topics is None else [list(topics)])]
    return _decoded(connection, mapper, f"{sql}{'' if topics is None else ' AND e.topic = ANY(%s)'} ORDER BY p.position", parameters)


def events_at(connection: psycopg.Connection[Any], mapper: EventMapper, account_id: str, positions: Iterable[int]) -> list[PositionedEvent]:
    """An account's own events among these positions, in their order, decoded."""
    sql = f"{_POSITIONED} WHERE p.account_id = %s AND p.position = ANY(%s) ORDER BY p.position"
    return _decoded(connection, mapper, sql, [account_id, sorted(set(positions))])


def _decoded(connection: psycopg.Connection[Any], mapper: EventMapper, sql: str, parameters: list[Any]) -> list[PositionedEvent]:
    with connection.cursor(binary=True) as cursor:
        return [decoded(mapper, StoredRow(*row)) for row in cursor.execute(sql.encode(), parameters)]


def read_events(
    connection: psycopg.Connection[Any], mapper: EventMapper, after_position: int, limit: int, topics: Collection[str] | None = None
) -> list[PositionedEvent]:
    """The same, decoded; raises `UnknownTopic` or `UnreadableEvent`."""
    return [decoded(mapper, row) for row in read_rows(connection, after_position, limit, topics)]


def decoded(mapper: EventMapper, row: StoredRow) -> PositionedEvent:
    event = mapper.decode(row.stream_id, row.version, row.topic, row.state)
    return PositionedEvent(row.position, row.at, str(row.account_id), row.stream_id, row.version, row.topic, event, row.leaf_hash)


def leaf_hashes(connection: psycopg.Connection[Any], positions: Collection[int]) -> dict[int, str]:
    """The leaf hashes of events, in hex, by position."""
    rows = connection.execute("SELECT position, encode(leaf_hash, 'hex') FROM positions WHERE position = ANY(%s)", (list(positions),))
    return dict(rows.fetchall())


def head(connection: psycopg.Connection[Any]) -> int:
    """The last position given; 0 if there is none."""
    row = connection.execute("SELECT coalesce(max(position), 0) FROM positions").fetchone()
    return 0 if row is None else int(row[0])


def before_newest(connection: psycopg.Connection[Any], account_id: str, number: int) -> int:
    """The position after which the account's newest `number` events stand."""
    sql = "SELECT position FROM positions WHERE account_id = %s ORDER BY position DESC OFFSET %s LIMIT 1"
    row = connection.execute(sql, (account_id, number)).fetchone()
    return 0 if row is None else int(row[0])


def stream_events(connection: psycopg.Connection[Any], mapper: EventMapper, stream_id: UUID) -> Iterator[Any]:
    """All events of a stream in order, decoded, positioned or not."""
    version = 0
    sql = """SELECT originator_version, topic, state FROM events WHERE originator_id = %s AND originator_version > %s
    ORDER BY originator_version LIMIT %s"""
    while rows := connection.execute(sql, (stream_id, version, _BATCH)).fetchall():
        for version, topic, state in rows:
            yield mapper.decode(stream_id, version, topic, bytes(state))
