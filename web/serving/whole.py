"""Requests that came in one piece, as plain as OAuth clients write them, read at once: the parser calls us back for each header.

What is read here is a small part of what RFC 9112 allows, and everything else is the parser's; so both never read one message differently.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LARGEST = 16 * 1024
_MOST_HEADERS = 40

# One space after the colon, names without an underscore, nothing but ASCII in sight; no query, no escape, no absolute form.
_HEAD = re.compile(
    rb"(?:POST (/oauth/(?:token|introspect|register|revoke))|GET (/\.well-known/[a-zA-Z0-9/._-]*)) HTTP/1\.1\r\n"
    rb"((?:[a-zA-Z][a-zA-Z0-9-]*: [\x20-\x7e]*\r\n)+)\r\n"
)
_FIELD = re.compile(rb"([^:]+): +([^\r]*)\r\n")
_ODD = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"te", b"trailer", b"proxy-connection"})
"""Headers with a say in where a message ends, or how its connection goes on."""


class Whole(NamedTuple):
    """A request of a client that keeps its connection. `headers`: by their names in small letters, none of which came twice."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    body: bytes


def whole(data: bytes) -> Whole | None:
    """The one request that these bytes are from their first to their last; None for all that is not as plain as that."""
    found = _HEAD.match(data)
    if found is None or len(data) > LARGEST:
        return None
    posted, got, lines = found.groups()
    fields = _FIELD.findall(lines)
    headers = {name.lower(): value for name, value in fields}
    if not len(headers) == len(fields) <= _MOST_HEADERS or b"host" not in headers or not _ODD.isdisjoint(headers):
        return None
    if headers.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    body = data[found.end() :]
    told = headers.get(b"content-length")
    if posted is None:
        return None if body or told is not None else Whole("GET", got.decode(), headers, b"")
    return Whole("POST", posted.decode(), headers, body) if told == b"%d" % len(body) else None
