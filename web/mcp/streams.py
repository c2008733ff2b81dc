"""Relaying an event stream of an upstream as it comes, for no longer than its call is allowed and its client listens."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic

import httpx

from application.ports import Busy
from web.mcp.outcomes import EventReader, Settlement, Unrecorded, decoded, judge_answer
from web.mcp.upstream import hang_up

RECHECK_SECONDS = 5.0
_END, _NOTHING = object(), object()


class Relay:
    """The stream's bytes. At each interval, whether or not anything came, the write side is asked again and a refused stream ends.

    A comment is sent then, so that a client that went away is noticed. `finished` is called once, whatever ends it.
    """

    def __init__(
        self, answer: httpx.Response, settlement: Settlement, still_allowed: Callable[[], bool], finished: Callable[[], None], every: float
    ) -> None:
        self._answer, self._settlement = answer, settlement
        self._still_allowed, self._finished, self._every = still_allowed, finished, every
        self._reader = EventReader()
        self._chunks: queue.Queue[object] = queue.Queue(maxsize=64)
        self._stopped = threading.Event()
        self._check_at = monotonic() + every
        threading.Thread(target=_pump, args=(answer, self._chunks, self._stopped), daemon=True, name="stream").start()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while not self._stopped.is_set():
            chunk = self._next()
            if monotonic() >= self._check_at:
                self._check_at = monotonic() + self._every
                if not self._allowed():
                    self._end("access ended")
                    break
                if chunk is _NOTHING and self._reader.between_lines:
                    return b":\n"
            if chunk is _END:
                self._end("broken off")
            elif isinstance(chunk, bytes) and self._read(chunk):
                return chunk
        raise StopIteration

    def close(self) -> None:
        """The client has everything or went away."""
        self._end("client left")

    def __del__(self) -> None:
        self.close()

    def _allowed(self) -> bool:
        try:
            return self._still_allowed()
        except Busy:
            return False

    def _next(self) -> object:
        try:
            return self._chunks.get(timeout=max(0.0, self._check_at - monotonic()))
        except queue.Empty:
            return _NOTHING

    def _read(self, chunk: bytes) -> bool:
        """Record the outcome as soon as the response is there, before the client has it; False: it can't be recorded, so nobody gets it."""
        try:
            for data in self._reader.feed(chunk):
                verdict = judge_answer(decoded(data)) if self._settlement.open else None
                if verdict is not None:
                    self._settlement.settle(*verdict)
        except Unrecorded:
            self._end("not recorded")
            return False
        return True

    def _end(self, reason: str) -> None:
        if self._stopped.is_set():
            return
        self._stopped.set()
        hang_up(self._answer)
        with suppress(Unrecorded):
            self._settlement.settle("failed", reason)
        self._finished()


def _pump(answer: httpx.Response, chunks: queue.Queue[object], stopped: threading.Event) -> None:
    """Read until the end; this thread alone closes the answer."""
    try:
        for chunk in answer.iter_bytes():
            if not _offer(chunk, chunks, stopped):
                return
    except (httpx.HTTPError, httpx.StreamError):
        pass
    finally:
        answer.close()
        _offer(_END, chunks, stopped)


def _offer(item: object, chunks: queue.Queue[object], stopped: threading.Event) -> bool:
    while not stopped.is_set():
        with suppress(queue.Full):
            chunks.put(item, timeout=1)
            return True
    return False
