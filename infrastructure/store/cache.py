"""Bounded caches of a worker: aggregates by stream id, and things that must be forgotten after a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Generic, TypeVar
from uuid import UUID

from domain.base import Stream

TKey = TypeVar("TKey", bound=Hashable)
TValue = TypeVar("TValue")


class AggregateCache:
    """The most recently used aggregates. Whoever gets one copies it before changing it; only a newer version replaces one; absence is never kept."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[int, Stream] = OrderedDict()  # by the id's number: UUID hashes and compares in Python
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, stream_id: UUID) -> Stream | None:
        number, entries = stream_id.int, self._entries
        with self._lock:
            found = entries.get(number)
            if found is not None:
                entries.move_to_end(number)
            return found

    def get_many(self, numbers: tuple[int, ...]) -> list[Stream | None]:
        """The same for several, told by their ids' numbers, under one lock."""
        entries = self._entries
        with self._lock:
            found = list(map(entries.get, numbers))
            for number in numbers if all(found) else filter(entries.__contains__, numbers):
                entries.move_to_end(number)
        return found

    def put(self, aggregate: Stream) -> None:
        """Keep the aggregate, unless the same or a newer version is here."""
        number: int = aggregate.id.int
        with self._lock:
            found = self._entries.get(number)
            if found is None or found.version < aggregate.version:
                self._entries[number] = aggregate
            self._entries.move_to_end(number)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)


class TimedCache(Generic[TKey, TValue]):
    """Values that are kept for `seconds` at most, and `size` of them."""

    def __init__(self, size: int, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._size, self._seconds, self._clock = size, seconds, clock
        self._entries: dict[TKey, tuple[float, TValue]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: TKey) -> TValue | None:
        entry = self._entries.get(key)
        return entry[1] if entry is not None and entry[0] > self._clock() else None

    def put(self, key: TKey, value: TValue) -> None:
        with self._lock:
            self._entries.pop(key, None)
            self._entries[key] = (self._clock() + self._seconds, value)
            if len(self._entries) > self._size:
                del self._entries[next(iter(self._entries))]

    def drop_if(self, condition: Callable[[TKey, TValue], bool]) -> None:
        with self._lock:
            self._entries = {k: e for k, e in self._entries.items() if not condition(k, e[1])}
