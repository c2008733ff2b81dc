"""How a connection is closed: a client that is still sending gets to read the answer first."""

from __future__ import annotations

import contextlib
from typing import Any

LINGER_S = 2.0
_MOST = 1 << 20
"""Bytes that are thrown away before a client that doesn't stop is cut off, or no longer listened to where an answer is still under way."""


class Closing:
    """The transport, as uvicorn's code uses it. A close while the client sends would reset the connection and take the answer with it
    (RFC 9112, 9.6): so our side ends, and what comes is thrown away for a moment. `deaf`: nothing more is read of this client."""

    __slots__ = ("_owner", "_thrown", "_transport", "closing", "deaf", "get_extra_info", "write")

    def __init__(self, transport: Any, owner: Any) -> None:
        self._transport, self._owner = transport, owner
        self.write, self.get_extra_info = transport.write, transport.get_extra_info
        self.deaf, self.closing, self._thrown = False, False, 0

    def is_closing(self) -> bool:
        return self.closing or self._transport.is_closing()

    def close(self) -> None:
        """After what was written."""
        if self.closing:
            return
        self.closing = True
        if not self.deaf and self._owner.reading.value == 0:
            self._transport.close()
            return
        self.deaf, self._owner.since = True, self._owner.loop.time()
        self._owner.flow.resume_reading()
        with contextlib.suppress(OSError, RuntimeError):
            self._transport.write_eof()

    def end(self) -> None:
        """Without waiting for the client."""
        self.closing = True
        self._transport.close()

    def abort(self) -> None:
        """Without sending what the client hasn't taken."""
        self.closing = True
        self._transport.abort()

    def discard(self, size: int) -> None:
        """Take note of bytes that came when nothing was to come."""
        self._thrown += size
        if self._thrown <= _MOST:
            return
        if self.closing:
            self.end()
        else:
            self._owner.flow.pause_reading()
