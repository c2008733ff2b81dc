"""Appends of one row by several threads as one statement: while one is under way the next gather, so that a busy worker pays for few commits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from infrastructure.store.connection import Connections, Kept
from infrastructure.store.statements import from_bigint, shared

LARGEST = 16
"""Rows of one statement."""

UNDER_WAY = 2
"""Statements of one process at a time: with one, a processor waits for the disk; with more, fewer rows share a commit."""


class _Waiting:
    """A row and the thread that waits for it: `stored` under a transaction id once it is decided, `leads` if its thread is to send the next batch."""

    __slots__ = ("error", "leads", "parameters", "stored", "turn")

    def __init__(self, parameters: Sequence[bytes]) -> None:
        self.parameters = parameters
        self.stored: int | None = None
        self.error: Exception | None = None
        self.leads = False
        self.turn = threading.Lock()
        self.turn.acquire()


class SharedAppends:
    """Thread-safe. Each row is judged and stored or left out by itself; only the commit is shared."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._under_way = 0

    def store(self, parameters: Sequence[bytes]) -> int | None:
        """Store one row (`statements.shared`): its transaction id, or None if its conditions don't hold.

        What the statement raises reaches everyone whose row was in it: after `Lost` nobody knows, after anything else nothing was stored.
        """
        mine = _Waiting(parameters)
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
        if mine.error is not None:
            raise mine.error
        return mine.stored

    def _lead(self, mine: _Waiting) -> None:
        """Send what has gathered, ours first, then let the longest waiting thread lead."""
        batch = self._gather(mine)
        try:
            _send(self._connections.get(), batch)
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

    def _gather(self, mine: _Waiting) -> list[_Waiting]:
        """Our row and the others that wait, but no second one for the same place: whose it became couldn't be told."""
        if not self._waiting:
            return [mine]
        batch, places, later = [mine], {_place(mine)}, []
        with self._lock:
            while self._waiting and len(batch) < LARGEST:
                other = self._waiting.popleft()
                if _place(other) in places:
                    later.append(other)
                    continue
                batch.append(other)
                places.add(_place(other))
            self._waiting.extendleft(reversed(later))
        return batch


def _place(waiting: _Waiting) -> bytes:
    """The stream of a row; a stream's next place is one."""
    return waiting.parameters[0]


def store_one(kept: Kept, parameters: Sequence[bytes]) -> int | None:
    """Store one row by a statement of its own: its transaction id, or None if its conditions don't hold."""
    result = kept.run(shared(1), parameters)
    return from_bigint(result.get_value(0, 1) or b"") if result.ntuples else None


def _send(kept: Kept, batch: list[_Waiting]) -> None:
    if len(batch) == 1:
        batch[0].stored = store_one(kept, batch[0].parameters)
        return
    batch.sort(key=_place)  # processes that race for the same places wait for each other in one order
    result = kept.run(shared(len(batch)), [p for each in batch for p in each.parameters])
    stored = {result.get_value(n, 0): result.get_value(n, 1) for n in range(result.ntuples)}
    for each in batch:
        xid = stored.get(_place(each))
        each.stored = None if xid is None else from_bigint(xid)
