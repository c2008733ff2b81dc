from __future__ import annotations

import threading
from typing import Any, cast
from uuid import UUID, uuid4

from domain.base import Stream
from infrastructure.store.cache import AggregateCache


class Thing:
    """As much of an aggregate as the cache looks at."""

    def __init__(self, id_: UUID, version: int) -> None:
        self.id, self.version = id_, version


def thing(id_: UUID, version: int = 1) -> Stream:
    return cast("Stream", Thing(id_, version))


def test_only_a_newer_version_replaces_what_is_cached() -> None:
    cache, id_ = AggregateCache(10), uuid4()
    cache.put(thing(id_, 5))
    kept = cache.get(id_)
    for version in (5, 4):
        cache.put(thing(id_, version))
        assert cache.get(id_) is kept
    cache.put(thing(id_, 6))
    found = cache.get(id_)
    assert found is not None
    assert found.version == 6


def test_the_least_recently_used_goes_first() -> None:
    cache, ids = AggregateCache(3), [uuid4() for _ in range(4)]
    for id_ in ids[:3]:
        cache.put(thing(id_))
    cache.get(ids[0])
    cache.put(thing(ids[3]))
    assert [cache.get(i) is not None for i in ids] == [True, False, True, True]


def test_the_cache_stays_bounded_under_many_threads() -> None:
    cache = AggregateCache(50)
    errors: list[Any] = []

    def work() -> None:
        try:
            for _ in range(2000):
                cache.put(thing(uuid4()))
                cache.get(uuid4())
        except Exception as error:  # noqa: BLE001 - whatever it is fails the test
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(cache) == 50
