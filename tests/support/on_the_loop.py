"""Runs functions as tasks of an event loop in a thread of its own, as a web worker does with requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import uvloop

from infrastructure.tasks import LoopThread

PATIENCE_S = 60.0
TResult = TypeVar("TResult")


class OnTheLoop:
    """The loop's thread as a test sees it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.thread = loop, LoopThread.of(loop)

    def begin(self, works: Sequence[Callable[[], TResult]]) -> list[Future[TResult]]:
        """Begin a task for each, all in one turn of the loop."""
        outcomes: list[Future[TResult]] = [Future() for _ in works]

        def turn() -> None:
            for work, outcome in zip(works, outcomes, strict=True):
                self.thread.begin(partial(_settled, work, outcome))

        self.loop.call_soon_threadsafe(turn)
        return outcomes

    def await_(self, coroutine: Coroutine[Any, Any, TResult]) -> TResult:
        """What a coroutine of the loop returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE_S)

    def run(self, work: Callable[[], TResult]) -> TResult:
        """What a single task returns or raises."""
        return self.begin([work])[0].result(PATIENCE_S)

    def all(self, works: Sequence[Callable[[], TResult]]) -> list[TResult]:
        """What tasks of one turn return."""
        return [outcome.result(PATIENCE_S) for outcome in self.begin(works)]


@contextmanager
def on_the_loop() -> Iterator[OnTheLoop]:
    """A running loop; closed at the end with everything that tasks have opened."""
    loop = uvloop.new_event_loop()
    runner = threading.Thread(target=loop.run_forever, daemon=True)
    runner.start()
    made = OnTheLoop(loop)
    try:
        yield made
    finally:
        ended = asyncio.run_coroutine_threadsafe(_end(made.thread), loop)
        ended.result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        runner.join(PATIENCE_S)
        loop.close()


async def _end(thread: LoopThread) -> None:
    thread.close()


def _settled(work: Callable[[], TResult], outcome: Future[TResult]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001  # the test's thread raises it
        outcome.set_exception(error)
