"""The body of a request that asks for another protocol (`Upgrade: h2c`), which llhttp would take for that protocol's first bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httptools

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


def framing_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The header lines that say how long the body is; empty where there is none."""
    return b"".join(b"%s: %s\r\n" % header for header in headers if header[0] in _FRAMING)


class BodyParser:
    """Callbacks for a body alone; the head was read before."""

    def __init__(self, owner: Any) -> None:
        self.on_body, self.on_message_complete = owner.on_body, owner.on_message_complete

    @classmethod
    def begun(cls, owner: Any, framing: bytes) -> httptools.HttpRequestParser:
        """A parser that stands at the body's first byte."""
        parser = httptools.HttpRequestParser(cls(owner))
        parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n" % framing)
        return parser
