"""Appends of one row by several requests as one statement: while one is under way the next gather, so that a busy worker pays for few commits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import TypeVar

from psycopg import pq

from infrastructure.store.connection import Connections, Kept
from infrastructure.store.pipeline import Pipeline
from infrastructure.store.prepared import Statement
from infrastructure.store.statements import from_bigint, shared
from infrastructure.tasks import Task, running

LARGEST = 16
"""Rows of one statement."""

UNDER_WAY = 2
"""Statements of one process's threads at a time: with one, a processor waits for the disk; with more, fewer rows share a commit."""

MOST_UNDER_WAY, LONG_S = 4, 0.02
"""Statements of the event loop at a time: a second one and further ones only after so many seconds."""


class Waiting:
    """A row that is to be stored: `stored` under a transaction id once it is decided, or `error`."""

    __slots__ = ("error", "parameters", "stored")

    def __init__(self, parameters: Sequence[bytes]) -> None:
        self.parameters = parameters
        self.stored: int | None = None
        self.error: Exception | None = None

    @property
    def place(self) -> bytes:
        """The stream of the row; a stream's next place is one."""
        return self.parameters[0]

    def outcome(self) -> int | None:
        if self.error is not None:
            raise self.error
        return self.stored


class _Blocked(Waiting):
    """The same with the thread that waits for it; `leads` if its thread is to send the next batch."""

    __slots__ = ("leads", "turn")

    def __init__(self, parameters: Sequence[bytes]) -> None:
        super().__init__(parameters)
        self.leads = False
        self.turn = threading.Lock()
        self.turn.acquire()


class _Parked(Waiting):
    """The same with the task that gave way for it."""

    __slots__ = ("task",)

    def __init__(self, parameters: Sequence[bytes], task: Task) -> None:
        super().__init__(parameters)
        self.task = task


TWaiting = TypeVar("TWaiting", bound=Waiting)
_by_place, _parameters = attrgetter("place"), attrgetter("parameters")


class SharedAppends:
    """Thread-safe. Each row is judged and stored or left out by itself; only the commit is shared."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._lock = threading.Lock()
        self._waiting: deque[_Blocked] = deque()
        self._under_way = 0
        self._gathered: GatheredAppends | None = None

    def store(self, parameters: Sequence[bytes]) -> int | None:
        """Store one row (`statements.shared`): its transaction id, or None if its conditions don't hold.

        What the statement raises reaches everyone whose row was in it: after `Lost` nobody knows, after anything else nothing was stored.
        """
        task = running()
        if task is not None:
            if self._gathered is None or self._gathered.thread is not task.thread:
                self._gathered = GatheredAppends(self._connections, task)
            return self._gathered.store(task, parameters)
        mine = _Blocked(parameters)
        with self._lock:
            leads = self._under_way < UNDER_WAY
            if leads:
                self._under_way += 1
            else:
                self._waiting.append(mine)
        if not leads:
            mine.turn.acquire()  # released by whoever sends our row, or gives us the lead
            leads = mine.leads
        if leads:
            self._lead(mine)
        return mine.outcome()

    def _lead(self, mine: _Blocked) -> None:
        """Send what has gathered, ours first, then let the longest waiting thread lead."""
        batch = [mine]
        if self._waiting:
            with self._lock:
                batch = next_batch(self._waiting, mine)
        try:
            self._connections.by_own(lambda kept: _send(kept, batch))
        except Exception as error:  # noqa: BLE001  # each of them raises it in its own thread
            for each in batch:
                each.error = error
        finally:
            with self._lock:
                heir = self._waiting.popleft() if self._waiting else None
                if heir is None:
                    self._under_way -= 1
                else:
                    heir.leads = True
            if heir is not None:
                heir.turn.release()
            for each in batch:
                if each is not mine:
                    each.turn.release()


class GatheredAppends:
    """The same for the tasks on the event loop: those of one turn, and those that come while a statement is under way, share the next.

    One statement at a time, which makes the largest batches; one that takes long (a slow disk, a row that is fought over) keeps no other waiting.
    """

    def __init__(self, connections: Connections, task: Task) -> None:
        self.thread, self._loop = task.thread, task.thread.loop
        self._idle = [connections.pipeline(task) for _ in range(MOST_UNDER_WAY)]
        self._since: dict[Pipeline, float] = {}
        self._waiting: deque[_Parked] = deque()
        self._due = self._looks_again = False

    def store(self, task: Task, parameters: Sequence[bytes]) -> int | None:
        """`SharedAppends.store`."""
        mine = _Parked(parameters, task)
        self._waiting.append(mine)
        if not self._since:
            self._send_soon()
        elif not self._looks_again:
            self._looks_again = True
            self._loop.call_later(LONG_S, self._look_again)
        task.give_way()
        return mine.outcome()

    def _send_soon(self) -> None:
        """At the end of this turn, with what the other tasks of the turn bring."""
        if not self._due:
            self._due = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._due = False
        self._go_on()

    def _look_again(self) -> None:
        """Whether what is under way takes long."""
        self._looks_again = False
        self._go_on()
        if self._waiting:
            self._looks_again = True
            self._loop.call_later(LONG_S, self._look_again)

    def _go_on(self) -> None:
        if self._waiting and self._idle:
            now = self._loop.time()
            if not self._since or all(since <= now - LONG_S for since in self._since.values()):
                self._send_by(self._idle.pop(), now)

    def _send_by(self, pipeline: Pipeline, now: float) -> None:
        batch = next_batch(self._waiting)
        self._since[pipeline] = now

        def answered(result: pq.abc.PGresult | None, error: Exception | None) -> None:
            if result is None:
                for each in batch:
                    each.error = error
            else:
                settle(batch, result)
            del self._since[pipeline]
            self._idle.append(pipeline)
            self._go_on()  # first the database, then the answers
            for each in batch:
                each.task.switch()

        pipeline.ask(*_statement(batch), answered, at_once=True)


def next_batch(waiting: deque[TWaiting], first: TWaiting | None = None) -> list[TWaiting]:
    """The rows for one statement, taken from those that wait, but no second one for the same place: whose it became couldn't be told."""
    batch = [waiting.popleft() if first is None else first]
    if not waiting:
        return batch
    places, later = {batch[0].place}, []
    while waiting and len(batch) < LARGEST:
        other = waiting.popleft()
        if other.place in places:
            later.append(other)
            continue
        batch.append(other)
        places.add(other.place)
    waiting.extendleft(reversed(later))
    return batch


def settle(batch: Sequence[Waiting], result: pq.abc.PGresult) -> None:
    """Tell each row of a statement whether it was stored."""
    if len(batch) == 1:
        batch[0].stored = _only(result)
        return
    stored = {result.get_value(n, 0): result.get_value(n, 1) for n in range(result.ntuples)}
    for each in batch:
        xid = stored.get(each.place)
        each.stored = None if xid is None else from_bigint(xid)


def store_one(kept: Kept, parameters: Sequence[bytes]) -> int | None:
    """Store one row by a statement of its own: its transaction id, or None if its conditions don't hold."""
    return _only(kept.run(shared(1), parameters))


def _only(result: pq.abc.PGresult) -> int | None:
    """What became of the one row of a statement."""
    return from_bigint(result.get_value(0, 1) or b"") if result.ntuples else None


def _statement(batch: list[TWaiting]) -> tuple[Statement, Sequence[bytes]]:
    """The statement that stores these rows, and its parameters."""
    if len(batch) == 1:
        return shared(1), batch[0].parameters
    batch.sort(key=_by_place)  # processes that race for the same places wait for each other in one order
    return shared(len(batch)), list(chain.from_iterable(map(_parameters, batch)))


def _send(kept: Kept, batch: list[_Blocked]) -> None:
    settle(batch, kept.run(*_statement(batch)))
