"""Appends: conditional, one statement, decided at most once even where the connection is lost on the way."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple, cast
from uuid import UUID

from psycopg import pq

from application.ports import Busy, Conflict, Recorded, Tables
from domain.access import Standing
from domain.base import RecordedEvent, Stream
from domain.client import Client
from domain.errors import InvalidInput
from domain.grant import Grant
from infrastructure.store import snapshots
from infrastructure.store.batching import SharedAppends, store_one
from infrastructure.store.cache import AggregateCache
from infrastructure.store.connection import Connections, Kept, translated
from infrastructure.store.errors import Lost
from infrastructure.store.fold import Folder, Row
from infrastructure.store.keyring import Keyring
from infrastructure.store.mapper import EventMapper
from infrastructure.store.sealing import ACCOUNT_SUBJECT
from infrastructure.store.statements import MOST_JUDGED, STORED, append, bigint, from_bigint
from infrastructure.store.tables import PostgresTables
from infrastructure.store.tail import ERASED, as_bytes
from infrastructure.tasks import aside, running

LARGEST_STATE = 65_000
"""Bytes: an entry of the log is 65,535 at most (EVIDENCE.md 1), stream, version and topic included."""

MOST_AHEAD = 100
"""Versions between a cached grant and its head beyond which the tail is read instead of probed."""


class Encoded(NamedTuple):
    """A pending event as it will be stored."""

    row: Row
    account_id: str

    @property
    def parameters(self) -> tuple[bytes, ...]:
        stream_id, version, topic, state = self.row
        assert stream_id is not None
        return (stream_id.bytes, bigint(version), topic.encode(), state, as_bytes(self.account_id))


class Appender:
    """Writes pending events."""

    def __init__(
        self, connections: Connections, mapper: EventMapper, folder: Folder, cache: AggregateCache, keyring: Keyring, writer: snapshots.SnapshotWriter
    ) -> None:
        self._connections, self._mapper, self._folder = connections, mapper, folder
        self._cache, self._keyring, self._writer = cache, keyring, writer
        self._shared = SharedAppends(connections)

    def append(
        self, streams: Sequence[Stream], judged: Iterable[Stream], also: Callable[[Tables], None] | None, *, sharing: bool = False
    ) -> tuple[Recorded, int]:
        """What was recorded, and the transaction id that it has; `Conflict` or `Busy`. `sharing`: one row may share its commit with others."""
        events = [event for stream in streams for event in _pending(stream)]
        if not events:
            raise ValueError("there is nothing to append")
        self._admit_subjects(events)
        encoded = [Encoded(Row(event.originator_id, event.originator_version, *self._encoded(event)), event.account_id) for event in events]
        own = {stream.id for stream in streams}
        conditions = {s.id: s.version - len(s.pending_events) for s in judged if s.id not in own}
        if sharing and also is None and len(encoded) == 1 and len(conditions) <= MOST_JUDGED:
            head = encoded[0].row.version - 1
            padding = [(_stream_id(encoded[0].row), head)] * (MOST_JUDGED - len(conditions))
            others = [each for s, version in (*conditions.items(), *padding) for each in (s.bytes, bigint(version))]
            xid = self._store_shared([*encoded[0].parameters, bigint(head), bigint(head), *others])
        else:
            xid = self._store_alone(encoded, conditions, also)
        if xid is None:
            raise Conflict
        last = encoded[-1].row
        self._keep(streams, encoded)
        return Recorded(_stream_id(last), last.version), xid

    def _store_alone(self, encoded: list[Encoded], conditions: dict[UUID, int], also: Callable[[Tables], None] | None) -> int | None:
        parameters = [p for e in encoded for p in e.parameters]
        for stream_id, version in conditions.items():
            parameters += (stream_id.bytes, bigint(version))
        statement = append(len(encoded), len(conditions))

        def write(kept: Kept) -> int | None:
            if also is None:
                return _xid(kept.run(statement, parameters))
            return _with_tables(kept, lambda: _xid(kept.run(statement, parameters)), also)

        return self._certainly(write, encoded[0].parameters)

    def _store_shared(self, parameters: Sequence[bytes]) -> int | None:
        """Store the one row of these parameters of `statements.shared`."""
        with contextlib.suppress(Lost):
            return self._shared.store(parameters)
        if running() is not None:
            return self._once_more(lambda: self._shared.store(parameters), parameters)
        return self._once_more(lambda: self._connections.by_own(lambda kept: store_one(kept, parameters)), parameters)

    def rotate(self, grant: Grant, standing: Standing, *, head: int) -> bool:
        """`Store.append_rotation`."""
        (event,) = _pending(grant)
        cached = standing.grant
        judged = cached.version - len(cached.pending_events)
        if event.originator_version != head + 1 or head - judged > MOST_AHEAD:
            return False
        topic, state = self._encoded(event)
        ids = map(as_bytes, (grant.consent_id, grant.for_client, grant.member_id, grant.account_id))
        others = chain.from_iterable(zip(ids, map(bigint, standing.judged), strict=True))
        row = (event.originator_id.bytes, bigint(head + 1), topic.encode(), state, as_bytes(grant.account_id), bigint(head), bigint(judged), *others)
        try:
            if self._store_shared(row) is None:
                return False
        except Conflict:
            return False
        grant.pending_events.clear()
        self._cache.put(grant)
        if snapshots.due(grant.version, before=head):
            self._writer.offer(grant)
        return True

    def _certainly(self, write: Callable[[Kept], int | None], first: Sequence[bytes]) -> int | None:
        """Run an append, whose first row has these parameters, once more if the connection is lost on the way."""
        return aside(lambda: self._tried(write, first))

    def _tried(self, write: Callable[[Kept], int | None], first: Sequence[bytes]) -> int | None:
        try:
            return self._connections.by_own(write)
        except Lost:
            return self._once_more(lambda: self._connections.by_own(write), first)

    def _once_more(self, write: Callable[[], int | None], first: Sequence[bytes]) -> int | None:
        """After a lost connection the same bytes are sent again, and if their place is taken, what is stored there tells whether the first
        attempt took effect after all: each event has a salt of its own, so equal bytes are ours."""
        try:
            again = write()
        except Conflict:
            again = None
        except Lost as error:
            raise Busy from error
        return again if again is not None else self._xid_if_stored(first)

    def _xid_if_stored(self, first: Sequence[bytes]) -> int | None:
        """The transaction id if exactly these bytes are stored; all rows were stored together or not at all."""
        stream_id, version, _, state, *_ = first
        result = self._connections.run(STORED, (stream_id, version))
        if result.ntuples == 0 or result.get_value(0, 0) != state:
            return None
        return from_bigint(result.get_value(0, 1) or b"")

    def _encoded(self, event: RecordedEvent) -> tuple[str, bytes]:
        """Topic and state."""
        encoded = self._mapper.encode(event)
        if len(encoded[1]) > LARGEST_STATE:
            raise InvalidInput("That is too much to be recorded in one event.")
        return encoded

    def _admit_subjects(self, events: Sequence[RecordedEvent]) -> None:
        """New members and accounts become subjects, durably, before anything is sealed for them."""
        for event in events:
            if event.TOPIC == "member.added":
                self._keyring.begin_subject(str(event.originator_id), event.originator_id, event.account_id)
            elif event.TOPIC == "account.opened":
                self._keyring.begin_subject(f"{ACCOUNT_SUBJECT}{event.originator_id}", event.originator_id, event.account_id)

    def _keep(self, streams: Sequence[Stream], encoded: list[Encoded]) -> None:
        """Collect the pending events and fold them into what is cached, in the form in which they were stored."""
        for stream in streams:
            stream.collect_events()
            rows = [e.row for e in encoded if e.row.stream_id == stream.id]
            if any(row.topic == ERASED for row in rows):
                self._keyring.forget(str(stream.id))
            if not rows:
                continue
            base = self._cache.get(stream.id)
            if base is None and isinstance(stream, Client):
                continue  # most registrations are never used: they push out nothing that is
            if (0 if base is None else base.version) == rows[0].version - 1:
                moved = self._folder.fold(type(stream), base, rows)
                if moved is None:
                    continue
                self._cache.put(moved)
                if isinstance(moved, Grant) and snapshots.due(moved.version, before=rows[0].version - 1):
                    self._writer.offer(moved)


def _pending(stream: Stream) -> Sequence[RecordedEvent]:
    return cast("Sequence[RecordedEvent]", stream.pending_events)


def _with_tables(kept: Kept, write: Callable[[], int | None], also: Callable[[Tables], None]) -> int | None:
    """The events first (theirs is the statement that takes the transaction id), then the tables, one commit."""
    with translated(), kept.connection.transaction():
        xid = write()
        if xid is None:
            raise Conflict
        also(PostgresTables(lambda work: work(kept)))
    return xid


def _xid(result: pq.abc.PGresult) -> int | None:
    """The transaction id of stored rows, or None if nothing was stored."""
    return from_bigint(result.get_value(0, 0) or b"") if result.ntuples else None


def _stream_id(row: Row) -> UUID:
    assert row.stream_id is not None
    return row.stream_id
