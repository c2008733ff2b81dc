from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.allowances import MOST_AT_ONCE, Allowance, Allowances

HOUR = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Counters:
    """The counters' table."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, datetime], int] = {}
        self.writes = 0
        self.rival: Callable[[], object] | None = None
        """What another thread does right before the next count."""
        self._lock = Lock()

    def count(self, bucket: str, window: datetime, by: int = 1) -> int:
        rival, self.rival = self.rival, None
        if rival is not None:
            rival()
        with self._lock:
            self.writes += 1
            self.counts[bucket, window] = self.counts.get((bucket, window), 0) + by
            return self.counts[bucket, window]


def test_a_limit_is_never_exceeded_by_several_processes_at_once() -> None:
    counters: Any = Counters()
    processes = [Allowances() for _ in range(3)]
    with ThreadPoolExecutor(8) as pool:
        granted = list(pool.map(lambda n: processes[n % 3].take(counters, "b", HOUR, 1000), range(3000)))
    assert 1000 - 3 * MOST_AT_ONCE <= sum(granted) <= 1000
    assert counters.counts["b", HOUR] <= 1000
    assert counters.writes < 1000


def test_a_small_limit_is_met_exactly_and_refusals_are_not_counted() -> None:
    counters: Any = Counters()
    allowances = Allowances()
    assert [allowances.take(counters, "b", HOUR, 5) for _ in range(50)] == [True] * 5 + [False] * 45
    assert counters.counts["b", HOUR] == 5


def test_a_new_window_and_a_raised_limit_begin_anew() -> None:
    counters: Any = Counters()
    allowances = Allowances()
    assert [allowances.take(counters, "b", HOUR, 1) for _ in range(2)] == [True, False]
    assert allowances.take(counters, "b", HOUR + timedelta(hours=1), 1)
    assert [allowances.take(counters, "b", HOUR, n) for n in (1, 2)] == [False, True]


WANTED = st.lists(st.builds(Allowance, st.sampled_from("abc"), st.sampled_from([HOUR, HOUR + timedelta(hours=1)]), st.sampled_from([1, 3, 300])))


@given(st.lists(st.tuples(WANTED, st.sampled_from([0.0, 0.1, 5.0])), max_size=60))
def test_several_at_once_are_taken_as_one_by_one(rounds: list[tuple[list[Allowance], float]]) -> None:
    together: Any = Counters()
    single: Any = Counters()
    both, now = (Allowances(), Allowances()), [0.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("application.allowances.time.monotonic", lambda: now[0])
        for wanted, seconds in rounds:
            now[0] += seconds
            first = next((each for each in wanted if not both[1].take(single, *each)), None)
            assert both[0].take_each(together, wanted) is first
    assert together.counts == single.counts


def test_what_one_thread_has_counted_is_used_though_another_then_met_the_limit() -> None:
    counters: Any = Counters()
    allowances = Allowances()
    counters.counts["b", HOUR] = 197
    granted = [allowances.take(counters, "b", HOUR, 200)]
    counters.rival = lambda: granted.append(allowances.take(counters, "b", HOUR, 200))
    granted += [allowances.take(counters, "b", HOUR, 200) for _ in range(3)]
    assert granted == [True, True, False, True, False]
    assert counters.counts["b", HOUR] == 200


def test_what_was_counted_ahead_is_given_back_at_the_end() -> None:
    counters: Any = Counters()
    allowances = Allowances()
    for _ in range(20):
        assert allowances.take(counters, "b", HOUR, 10_000)
    assert counters.counts["b", HOUR] > 20
    allowances.give_back(counters)
    allowances.give_back(counters)
    assert counters.counts["b", HOUR] == 20


def test_used_now_and_then_a_bucket_is_counted_one_by_one(monkeypatch: Any) -> None:
    clock = iter(range(0, 10_000, 5))
    monkeypatch.setattr("application.allowances.time.monotonic", lambda: float(next(clock)))
    counters: Any = Counters()
    allowances = Allowances()
    for used in range(1, 20):
        assert allowances.take(counters, "b", HOUR, 1000)
        assert counters.counts["b", HOUR] == used


def test_what_was_counted_ahead_is_used_however_many_addresses_come_meanwhile(monkeypatch: Any) -> None:
    monkeypatch.setattr("application.allowances._MOST_BUCKETS", 100)
    counters: Any = Counters()
    allowances = Allowances()
    total = Allowance("total", HOUR, 100_000)
    for n in range(5_000):
        assert allowances.take_each(counters, [Allowance(f"address {n}", HOUR, 100), total]) is None
    assert counters.counts["total", HOUR] <= 5_000 + MOST_AT_ONCE
