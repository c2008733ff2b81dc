"""What is read at once is read as the parser reads it, or not at all."""

from __future__ import annotations

from typing import Any

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from web.serving.whole import LARGEST, Whole, whole

HEAD = b"POST /oauth/token HTTP/1.1\r\nHost: a\r\n"


class Seen:
    """What the parser calls back."""

    def __init__(self) -> None:
        self.url, self.headers, self.body = b"", [], b""  # type: tuple[bytes, list[tuple[bytes, bytes]], bytes]
        self.begun = self.ended = 0
        self.parser: Any = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ended += 1


def agrees(data: bytes, found: Whole) -> bool:
    """Whether the parser finds the same message, and nothing else."""
    seen = Seen()
    seen.parser.feed_data(data)
    parsed = (seen.parser.get_method().decode(), seen.url.decode(), dict(seen.headers), seen.body)
    alone = (seen.begun, seen.ended, len(seen.headers)) == (1, 1, len(found.headers))
    return alone and parsed == tuple(found) and seen.parser.should_keep_alive() and not seen.parser.should_upgrade()


NAMES = st.sampled_from(
    b"Host|host|Content-Length|Content-Type|Connection|Proxy-Connection|Transfer-Encoding|Expect|Upgrade|X-A|X_A|TE|| A".split(b"|")
)
VALUES = st.sampled_from(b"a|| |3|03|+3|3, 3|0|keep-alive|close|Keep-Alive, X|chunked|h2c|a\tb|\t3|3 |\xe4|a\0b|a\rb".split(b"|"))
LINES = st.tuples(
    NAMES, st.sampled_from([b": ", b":", b" : ", b":\t", b":  "]), VALUES, st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r\n "])
)
STARTS = st.sampled_from(
    [
        *(b"POST /oauth/token HTTP/1.1\r\n", b"GET /.well-known/jwks.json HTTP/1.1\r\n", b"POST /oauth/token?a HTTP/1.1\r\n"),
        *(b"GET /oauth/token HTTP/1.1\r\n", b"POST /oauth/token HTTP/1.0\r\n", b"post /oauth/token HTTP/1.1\r\n"),
        *(b"POST  /oauth/token HTTP/1.1\r\n", b"\r\nPOST /oauth/token HTTP/1.1\r\n", b"POST http://a/oauth/token HTTP/1.1\r\n"),
        *(b"GET /.well-known/%2e HTTP/1.1\r\n", b"POST /oauth/token HTTP/1.1\n", b"GET /.well-known/a#b HTTP/1.1\r\n"),
    ]
)


@given(
    STARTS,
    st.lists(LINES, max_size=5),
    st.sampled_from([b"\r\n", b"\n", b""]),
    st.sampled_from([b"", b"a=b", b"a=b\r\n", b"0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]),
)
@example(b"POST /oauth/token HTTP/1.1\r\n", [(b"Host", b": ", b"a", b"\r\n"), (b"Content-Length", b": ", b"3", b"\r\n")], b"\r\n", b"a=b")
@example(b"GET /.well-known/jwks.json HTTP/1.1\r\n", [(b"Host", b": ", b"a", b"\r\n"), (b"Connection", b": ", b"keep-alive", b"\r\n")], b"\r\n", b"")
def test_what_is_read_is_what_the_parser_reads(start: bytes, lines: list[tuple[bytes, ...]], end: bytes, body: bytes) -> None:
    data = b"".join([start, *(b"".join(line) for line in lines), end, body])
    found = whole(data)
    assert found is None or agrees(data, found)


@given(
    st.dictionaries(st.from_regex(rb"[A-Za-z][A-Za-z0-9-]{0,9}", fullmatch=True), st.from_regex(rb"[ -~]{0,20}", fullmatch=True), max_size=6),
    st.binary(max_size=20),
)
def test_an_ordinary_one_is_read(headers: dict[bytes, bytes], body: bytes) -> None:
    own = {b"host", b"content-length", b"connection", b"transfer-encoding", b"expect", b"upgrade", b"te", b"trailer", b"proxy-connection"}
    names = [name.lower() for name in headers]
    lines = b"".join(b"%s: %s\r\n" % (name, value) for name, value in headers.items() if name.lower() not in own and names.count(name.lower()) == 1)
    data = HEAD + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body
    found = whole(data)
    assert found is not None
    assert found.body == body
    assert agrees(data, found)


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Content-Length: 3\r\n\r\na=",
        HEAD + b"Content-Length: 3\r\n\r\na=bc",
        HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\na=b",
        HEAD + b"content-length: 3\r\nContent-Length: 3\r\n\r\na=b",
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\na=b",
        HEAD + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\na=b",
        HEAD + b"Content-Length: 3\r\nUpgrade: h2c\r\n\r\na=b",
        HEAD + b"Content-Length: 3\r\nConnection: close\r\n\r\na=b",
        HEAD + b"Content-Length: 3\r\nHost: b\r\n\r\na=b",
        HEAD + b"\r\na=b",
        b"POST /oauth/token HTTP/1.1\r\nContent-Length: 3\r\n\r\na=b",
        b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\nGET /",
        b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        HEAD + b"".join(b"X-%d: a\r\n" % n for n in range(40)) + b"Content-Length: 0\r\n\r\n",
        HEAD + b"Content-Length: %d\r\n\r\n" % LARGEST + b"a" * LARGEST,
    ],
)
def test_everything_else_is_the_parsers(data: bytes) -> None:
    assert whole(data) is None
