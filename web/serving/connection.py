"""One client's connection: uvicorn's protocol with limits on how much, how slowly and how wrongly a client may speak."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from enum import Enum
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from infrastructure.logs import get_logger
from web.serving.closing import LINGER_S, Closing
from web.serving.upgrade import BodyParser, framing_of

MAX_HEAD = 64 * 1024
"""Bytes of the request line and all headers."""
MAX_HEADERS = 100
HEAD_S = 30.0
"""From a head's first byte, or from the connection's beginning, to its last byte."""
BODY_S = 30.0
"""Between two parts of a body."""
KEEP_ALIVE_S = 75.0
STALLED_S = 300.0
"""For a client that doesn't read what it asked for: an answer that is made while it is read holds a thread and a connection to the database."""
MOST_QUEUED = 32
"""Requests of one connection that wait for the answer to an earlier one."""

_VERSIONS = frozenset({"1.0", "1.1"})

log = get_logger("web")


class Reading(Enum):
    """What of a request has begun to arrive and isn't there yet."""

    NOTHING = 0
    HEAD = 1
    BODY = 2


class Refusal(Exception):
    """Raised inside a callback of the parser: `status` is answered and the connection ends."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class GuardedProtocol(HttpToolsProtocol):
    """Requests of one connection are answered one after the other; `running` is the one that is being answered now.

    Nothing is timed here: the server's tick calls `sweep`, so that a request costs no timer.
    """

    transport: Any
    cycle: Any

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=False)
        self.reading, self.since = Reading.NOTHING, self.loop.time()
        self.running: Any = None
        self._head, self._fed, self._size = 0, 0, 0
        self._last, self._framing = False, b""

    # ---------------------------------------------------------------- the connection

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.transport = Closing(transport, self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered, which need not be the newest; those behind it never begin."""
        self.pipeline.clear()
        if self.running is not None and not self.running.response_complete:
            self.running.disconnected = True
            self.running.message_event.set()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server ends: what has begun is answered, what waits behind it is not."""
        self.pipeline.clear()
        if self.running is None:
            self.transport.end()
        else:
            self.running.keep_alive, self._last = False, True

    def data_received(self, data: bytes) -> None:
        if self.transport.deaf:
            self.transport.discard(len(data))
            return
        self._size = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            self._give_up(error)
            return
        self._fed += self._size
        if self._fed > MAX_HEAD and self.reading is not Reading.NOTHING:
            self._refuse(431)

    # ---------------------------------------------------------------- the parser's callbacks

    def on_message_begin(self) -> None:
        if self._last:
            raise Refusal(400)
        super().on_message_begin()
        self._head, self.reading = 0, Reading.HEAD
        if self.running is None:
            self.since = self.loop.time()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers are counted and dropped: a header that comes after the body was seen by no proxy in front (RFC 9110, 6.5.1)."""
        self._count(len(name) + len(value) + 4)
        if self.reading is Reading.HEAD:
            if len(self.headers) >= MAX_HEADERS:
                raise Refusal(431)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MOST_QUEUED or self.parser.get_method() == b"CONNECT" or self.parser.get_http_version() not in _VERSIONS:
            raise Refusal(400)
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            raise Refusal(400)  # RFC 9112 3.2
        if not self.url.startswith((b"/", b"*")):
            self._take_host_of_target()
        super().on_headers_complete()
        self.reading, self.since, self._fed = Reading.BODY, self.loop.time(), -self._size
        if self.parser.should_upgrade():
            self._framing = framing_of(self.headers)

    def _take_host_of_target(self) -> None:
        """RFC 9112 3.2.2: the Host header is ignored, as a proxy in front has ignored it, or the two of us would judge one request by two hosts."""
        scheme, _, rest = self.url.partition(b"://")
        host = re.split(rb"[/?#]", rest, maxsplit=1)[0]
        if not host or b"@" in host:
            raise Refusal(400)  # RFC 9110 4.2
        path = rest[len(host) :]
        if not path.startswith(b"/"):
            self.url = b"%s://%s/%s" % (scheme, host, path)  # RFC 9112 3.2.1: no path is the root
        self.headers[:] = [(b"host", host), *((name, value) for name, value in self.headers if name != b"host")]

    def on_body(self, body: bytes) -> None:
        self.since, self._fed = self.loop.time(), -self._size
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._framing:
            return  # the parser left out the body of a request that asks for an upgrade: `_go_on` reads it
        self.reading, self._fed = Reading.NOTHING, -self._size
        self._last = not self.cycle.keep_alive
        super().on_message_complete()

    # ---------------------------------------------------------------- the answers

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self.running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self.running, self.since = None, self.loop.time()
        if (self.pipeline or self.flow.read_paused) and not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())

    def pause_writing(self) -> None:
        super().pause_writing()
        self.since = self.loop.time()

    # ---------------------------------------------------------------- limits

    def overdue(self, now: float) -> bool:
        """Whether the client has kept us waiting for too long."""
        waited = now - self.since
        if self.flow.write_paused:
            return waited > STALLED_S
        if self.transport.deaf and self.running is None:
            return waited > LINGER_S
        if self.running is not None:
            return self.reading is Reading.BODY and not self.pipeline and not self.flow.read_paused and waited > BODY_S
        if self.reading is Reading.BODY:
            return waited > BODY_S
        return waited > (HEAD_S if self.reading is Reading.HEAD or self.cycle is None else KEEP_ALIVE_S)

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > MAX_HEAD:
            raise Refusal(431)

    def _go_on(self, rest: bytes) -> None:
        """Nothing is upgraded here. The request is an ordinary one, and the connection's last if it has a body."""
        if self._framing:
            framing, self._framing = self._framing, b""
            self.parser, self.cycle.keep_alive = BodyParser.begun(self, framing), False
        else:
            self.parser = httptools.HttpRequestParser(self)
        if rest:
            self.data_received(rest)

    def _give_up(self, error: Exception) -> None:
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
        if self._last and self.reading is not Reading.BODY:
            self.transport.deaf = True  # what follows a client's last request is not read
        elif isinstance(cause, Refusal):
            self._refuse(cause.status)
        elif isinstance(cause, httptools.HttpParserError | UnicodeDecodeError | AttributeError):
            self._refuse(400)
        else:
            log.error("request failed", exc_info=cause)
            self._refuse(500)

    def _refuse(self, status: int) -> None:
        """Answer in the place of the request that is being read; one before it that is still being answered is the connection's last."""
        log.warning("request refused", status=status, peer=self.client[0] if self.client else None)
        self.transport.deaf = True
        unread = self.reading is Reading.BODY
        if unread and self.cycle is not self.running and self.pipeline:
            self.pipeline.popleft()
        if self.running is not None and not (unread and self.cycle is self.running):
            (self.pipeline[0][0] if self.pipeline else self.running).keep_alive = False
            return
        if unread:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not (unread and self.cycle.response_started):
            self.transport.write(_refusal(status, self.server_state.default_headers))
        self.running = None
        self.transport.close()


def sweep(connections: Iterable[Any], now: float) -> None:
    """Close those whose clients have kept us waiting for too long. `now` is the loop's time."""
    for connection in [*connections]:
        if connection.overdue(now):
            connection.transport.abort()


def _refusal(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    body = b'{"error":"%s"}' % (b"server_error" if status == 500 else b"invalid_request")
    told = b"".join(b"%s: %s\r\n" % header for header in headers)
    own = b"content-type: application/json\r\ncontent-length: %d\r\ncache-control: no-store\r\nconnection: close\r\n\r\n" % len(body)
    return STATUS_LINE[status] + told + own + body
