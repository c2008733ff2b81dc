"""The event store that the use cases are handed: `application.ports.Store` on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from application.ports import Recorded, Tables
from domain.access import Standing
from domain.base import Personal, PersonalField, Sealed, Stream
from domain.grant import Grant
from infrastructure.store.append import Appender
from infrastructure.store.barrier import Barrier
from infrastructure.store.cache import AggregateCache
from infrastructure.store.connection import connections_for
from infrastructure.store.fold import Folder
from infrastructure.store.keyring import Keyring
from infrastructure.store.mapper import EventMapper
from infrastructure.store.snapshots import SnapshotWriter
from infrastructure.store.tables import PostgresTables
from infrastructure.store.tail import Loader
from infrastructure.tasks import aside

TStream = TypeVar("TStream", bound=Stream)

WAKE_CHANNEL = "grantbook_wake"
_POSITION = "SELECT position FROM positions WHERE originator_id = %s AND originator_version = %s"


class PostgresStore:
    """One per process; thread-safe, with one kept connection per thread. `clock` gives the time that data keys are made for."""

    def __init__(self, dsn: str, keyring: Keyring, *, clock: Callable[[], datetime], cache_size: int = 50_000) -> None:
        self._connections = connections_for(dsn)
        self.keyring, self._clock = keyring, clock
        self.mapper = EventMapper(keyring)
        cache, folder = AggregateCache(cache_size), Folder(self.mapper)
        self._cache = cache
        self._loader = Loader(self._connections, folder, cache, keyring, clock)
        self._writer = SnapshotWriter(self._connections)
        self._appender = Appender(self._connections, self.mapper, folder, cache, keyring, self._writer)
        self._barrier = Barrier(self._connections)

    def load(self, kind: type[TStream], stream_id: UUID) -> TStream | None:
        return self._loader.load(kind, stream_id)

    def load_many(self, wanted: Sequence[tuple[type[Stream], UUID]]) -> list[Any]:
        return self._loader.load_many(wanted)

    def standing(self, grant_id: UUID) -> Standing | None:
        return self._loader.standing(grant_id)

    def standings(self, grant_ids: Sequence[UUID]) -> list[Standing | None]:
        return self._loader.standings(grant_ids)

    def cached_standing(self, grant_id: UUID) -> Standing | None:
        return self._loader.cached_standing(grant_id)

    def standing_at_hand(self, grant_id: UUID) -> Standing | None:
        return self._loader.standing_at_hand(grant_id)

    def cached(self, kind: type[TStream], stream_id: UUID) -> TStream | None:
        return self._loader.cached(kind, stream_id)

    def append(self, streams: Sequence[Stream], judged: Iterable[Stream] = (), *, also: Callable[[Tables], None] | None = None) -> Recorded:
        return self._appender.append(streams, judged, also, sharing=True)[0]

    def append_ending(self, streams: Sequence[Stream], judged: Iterable[Stream] = (), *, also: Callable[[Tables], None] | None = None) -> Recorded:
        return aside(lambda: self._ended(streams, judged, also), urgent=True)

    def _ended(self, streams: Sequence[Stream], judged: Iterable[Stream], also: Callable[[Tables], None] | None) -> Recorded:
        recorded, xid = self._appender.append(streams, judged, also)
        self._barrier.wait(xid)
        return recorded

    def append_rotation(self, grant: Grant, standing: Standing, *, head: int) -> bool:
        return self._appender.rotate(grant, standing, head=head)

    def tables(self) -> Tables:
        return PostgresTables(self._connections.read)

    def sealed(self, personal: Personal, event_id: str) -> Sealed:
        return self.keyring.seal(personal, event_id, self._clock())

    def opened(self, sealed: PersonalField, event_id: str) -> str | None:
        return self.keyring.open(sealed, event_id) if isinstance(sealed, Sealed) else None

    def position_of(self, recorded: Recorded, timeout: float) -> int | None:
        """The position, once the sequencer has given one; asks at growing intervals of 2 to 20 ms."""
        deadline = time.monotonic() + timeout
        self._connections.query("SELECT pg_notify(%s, '')", (WAKE_CHANNEL,))
        pause = 0.002
        while True:
            rows = self._connections.query(_POSITION, (recorded.stream_id, recorded.version))
            if rows:
                return int(rows[0][0])
            if time.monotonic() + pause > deadline:
                return None
            time.sleep(pause)
            pause = min(pause * 1.5, 0.02)

    @property
    def cached_streams(self) -> int:
        """How many aggregates this process remembers."""
        return len(self._cache)

    def close(self) -> None:
        """Finish the snapshots under way and close all connections; nobody may use the store any more."""
        self._writer.close()
        self._connections.close()
