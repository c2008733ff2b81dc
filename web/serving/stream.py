"""A body of unknown length on its way from the thread that makes it to the event loop that sends it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable

from infrastructure.logs import get_logger

_AHEAD = 1 << 16
"""Bytes that may wait for a slow client; the thread waits with the next ones."""

log = get_logger("web")


class Stream:
    """`make` runs in a thread, everything else on the loop. `whole`: all of it was made, by an application that meant it."""

    def __init__(self, made: Iterable[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._made, self._loop = made, loop
        self._pieces: list[bytes] = []
        self._waiting, self._ended, self._left, self.whole = 0, False, False, False
        self._room, self._some = threading.Condition(), asyncio.Event()

    def make(self) -> None:
        """Iterate to the end, or until the client has left; then close what was iterated, which tells a generator that it broke off."""
        try:
            try:
                self.whole = all(self._put(piece) for piece in self._made)
            finally:
                close(self._made)
        except Exception:
            self.whole = False
            log.exception("an answer broke off")
        finally:
            self._ended = True
            self._wake()

    async def take(self) -> bytes | None:
        """What was made since the last time, or None at the end."""
        while True:
            with self._room:
                ended, pieces = self._ended, self._pieces
                self._pieces, self._waiting = [], 0
                self._room.notify()
            if pieces:
                return b"".join(pieces)
            if ended or self._left:
                return None
            await self._some.wait()
            self._some.clear()

    def leave(self) -> None:
        """Nobody takes any more."""
        with self._room:
            self._left = True
            self._room.notify()
        self._some.set()

    def _put(self, piece: bytes) -> bool:
        """Hand over a piece once there is room; False if nobody takes it."""
        with self._room:
            while self._waiting >= _AHEAD and not self._left:
                self._room.wait()
            if self._left:
                return False
            first = not self._pieces
            if piece:
                self._pieces.append(piece)
                self._waiting += len(piece)
        if first:
            self._wake()
        return True

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._some.set)


def close(made: Iterable[bytes]) -> None:
    """Close what a WSGI application has returned, if it can be closed."""
    closing = getattr(made, "close", None)
    if closing is not None:
        closing()
