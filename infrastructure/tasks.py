"""Requests that share one thread: each runs in a greenlet on the worker's event loop and gives way wherever it would have to wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from greenlet import getcurrent, greenlet

TResult = TypeVar("TResult")

_ASIDE_THREADS, _URGENT_THREADS = 4, 3
_MOST_IDLE = 64


class LoopThread:
    """The thread of an event loop, and the threads beside it for what can't give way. A process has one: `of` its loop.

    `urgent` are those for what ends access and for connections that everybody waits for: whatever else is slow, they are free.
    """

    _of: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, LoopThread]] = WeakKeyDictionary()

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> LoopThread:
        """Called on that thread, or before it runs."""
        found = cls._of.get(loop)
        if found is None:
            found = cls._of[loop] = cls(loop)
        return found

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.pool: Executor = ThreadPoolExecutor(_ASIDE_THREADS, thread_name_prefix="aside")
        self.urgent: Executor = ThreadPoolExecutor(_URGENT_THREADS, thread_name_prefix="urgent")
        self.at_end: list[Callable[[], None]] = []
        self.idle: list[Task] = []
        self.under_way = 0
        """Tasks that have begun and not ended."""

    def begin(self, work: Callable[[], None]) -> None:
        """Run `work`, which never raises, as far as it goes without waiting; the loop goes on with it later.

        Where a task calls, the loop begins with it: one task inside of another would be as deep in calls as all before it together.
        """
        if running() is not None:
            self.loop.call_soon(self.begin, work)
            return
        task = self.idle.pop() if self.idle else Task(self)
        if task.dead:
            task = Task(self)
        task.gr_context = None  # no variable of the request before
        self.under_way += 1
        task.switch(work)

    def close(self) -> None:
        """End what tasks have opened on this thread, without which the loop would not close; nobody may begin one any more."""
        for end in self.at_end:
            end()
        while self.idle:
            self.idle.pop().throw()
        self.pool.shutdown()
        self.urgent.shutdown()


class Task(greenlet):
    """One request after the other: a new greenlet costs the kernel a piece of memory each time, which is more than most of what a request does.

    Whoever waits says first who is to call `switch` on it, once and from the loop, then gives way. No lock may be held meanwhile: the next
    task on this thread would wait for it for ever.
    """

    def __init__(self, thread: LoopThread) -> None:
        super().__init__(self._work)
        self.thread = thread
        self.switch()  # what a greenlet is begun with, it keeps to its end

    def _work(self) -> None:
        while True:
            work = self.give_way()
            work()
            del work
            self.thread.under_way -= 1
            idle = self.thread.idle
            if len(idle) >= _MOST_IDLE:
                return
            idle.append(self)

    def give_way(self) -> Any:
        """Let the loop go on until `switch` is called, whose argument is returned."""
        parent = self.parent
        assert parent is not None
        return parent.switch()

    def aside(self, work: Callable[[], TResult], *, urgent: bool = False) -> TResult:
        """What `work` returns or raises, done by another thread."""
        done = (self.thread.urgent if urgent else self.thread.pool).submit(work)
        done.add_done_callback(lambda _: self.thread.loop.call_soon_threadsafe(self.switch))
        self.give_way()
        return done.result()

    def sleep(self, seconds: float) -> None:
        self.thread.loop.call_later(seconds, self.switch)
        self.give_way()


def running() -> Task | None:
    """The task that calls, or None for any other code."""
    current = getcurrent()
    return current if type(current) is Task else None


def aside(work: Callable[[], TResult], *, urgent: bool = False) -> TResult:
    """Do what may block: beside the loop where a task calls, at once elsewhere. Locks belong inside of `work`."""
    task = running()
    return work() if task is None else task.aside(work, urgent=urgent)


def pause(seconds: float) -> None:
    """Sleep; on the loop the others go on meanwhile."""
    task = running()
    if task is None:
        time.sleep(seconds)
    else:
        task.sleep(seconds)
