"""A few threads for the write side: the many that wait for upstreams would each keep a database connection."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

TResult = TypeVar("TResult")

THREADS = 8


class Deciders:
    """Does work on one of its threads and hands back what comes of it, errors too."""

    def __init__(self, threads: int = THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decide")

    def do(self, work: Callable[[], TResult]) -> TResult:
        """The result of the work; the calling thread waits for it."""
        return self._pool.submit(work).result()

    def close(self) -> None:
        """End the threads once they are idle."""
        self._pool.shutdown()
