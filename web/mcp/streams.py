"""Relaying an upstream's answer: whole where it is JSON, as it comes where it is an event stream, and never longer than the grant lives."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic

import httpx

RECHECK_SECONDS = 5.0
_END = object()


def relay(answer: httpx.Response, still_allowed: Callable[[], bool]) -> Iterator[bytes]:
    """The stream's bytes; every 5 s, whether or not anything came, the write side is asked again and a refused stream ends."""
    chunks: queue.Queue[object] = queue.Queue(maxsize=64)
    stopped = threading.Event()
    threading.Thread(target=_pump, args=(answer, chunks, stopped), daemon=True).start()
    check_at = monotonic() + RECHECK_SECONDS
    try:
        while True:
            chunk = _next(chunks, check_at)
            if monotonic() >= check_at:
                if not still_allowed():
                    return
                check_at = monotonic() + RECHECK_SECONDS
            if chunk is _END:
                return
            if isinstance(chunk, bytes):
                yield chunk
    finally:
        stopped.set()
        answer.close()


def _next(chunks: queue.Queue[object], until: float) -> object:
    try:
        return chunks.get(timeout=max(0.0, until - monotonic()))
    except queue.Empty:
        return None


def _pump(answer: httpx.Response, chunks: queue.Queue[object], stopped: threading.Event) -> None:
    try:
        for chunk in answer.iter_raw():
            if not _offer(chunk, chunks, stopped):
                return
    except httpx.HTTPError:
        pass
    finally:
        _offer(_END, chunks, stopped)


def _offer(item: object, chunks: queue.Queue[object], stopped: threading.Event) -> bool:
    while not stopped.is_set():
        with suppress(queue.Full):
            chunks.put(item, timeout=1)
            return True
    return False
