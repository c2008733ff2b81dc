"""The ordinary requests of OAuth clients, and liveness, answered on the event loop itself: each a task that gives way while the database works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from infrastructure.logs import get_logger
from infrastructure.randomness import random_hex
from infrastructure.run_folder import draining
from infrastructure.tasks import LoopThread
from web.access_log import log_request
from web.front import DISCOVERY, LIVENESS, POSTS, NotOrdinary, Way
from web.oauth.answers import Answer, lines_of
from web.oauth.forms import LARGEST
from web.serving.connection import GuardedProtocol, Reading
from web.serving.environ import environ_of
from web.serving.short import Short
from web.serving.whole import whole
from web.serving.wsgi import Started

MOST_UNDER_WAY = 1024
"""Requests that a worker's tasks answer at a time: while the database is silent each keeps 20 kB, whether its client is still there or not.
Those beyond are the threads', which refuse what is too much for them."""

_FAILED = Answer(500, [("Content-Type", "application/json")], b'{"error":"server_error"}')
_LENGTH, _FRAMED = b"content-length", (b"content-length", b"transfer-encoding")
_CLOSE = b"Connection: close\r\n"


class _Nobody:
    """Waits for nothing that happens to the request."""

    def set(self) -> None:
        pass


class _Ask:
    """A head, and what was found out about it: the next request on its connection mostly has the same."""

    __slots__ = ("begun", "headers", "method", "path", "peer", "size", "way")

    def __init__(self, method: str, path: str, headers: dict[bytes, bytes], peer: str | None, begun: bytes = b"", size: int = 0) -> None:
        self.method, self.path, self.headers, self.peer = method, path, headers, peer
        self.begun, self.size = begun, size
        self.way: Way | None = None

    def find(self, short: Short) -> Way | None:
        self.way, self.peer = short.way(self.method, self.path, self.headers, self.peer)
        return self.way


class _Cycle:
    """A request that came whole, as the connection sees it while it is answered."""

    __slots__ = ("ask", "body", "disconnected", "keep_alive", "response_complete", "response_started")

    message_event = _Nobody()

    def __init__(self, ask: _Ask, body: bytes) -> None:
        self.ask, self.body, self.keep_alive = ask, body, True
        self.disconnected = self.response_started = self.response_complete = False


class QuickProtocol(GuardedProtocol):
    """What is not quick, whatever the front does not find ordinary, and all of a client that doesn't read, goes the way of all requests."""

    _awaited: Any = None
    _last_ask: _Ask | None = None
    _dated: tuple[Any, bytes] = (None, b"")
    _ids: Iterator[str] = iter(())

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._thread = LoopThread.of(self.loop)
        self._short = Short.within(self.app.app)

    def data_received(self, data: bytes) -> None:
        """What comes whole between two requests never reaches the parser, which waits for the next one just so."""
        at_rest = self.running is None and self.reading is Reading.NOTHING and not (self._last or self.transport.deaf or self.flow.write_paused)
        ask = self._whole(data) if at_rest else None
        if ask is None:
            super().data_received(data)
        else:
            self.running = self.cycle = _Cycle(ask, data[len(ask.begun) :])
            self._thread.begin(self._answer_whole)

    def _whole(self, data: bytes) -> _Ask | None:
        last = self._last_ask
        if last is not None and len(data) == last.size and data.startswith(last.begun):
            return last
        found = None if self._short is None else whole(data)
        if found is None:
            return None
        method, path, headers, body = found
        self._last_ask = _Ask(method, path, headers, self.client and self.client[0], data[: len(data) - len(body)], len(data))
        return self._last_ask

    def _answer_whole(self) -> None:
        """In a task; it never raises."""
        cycle = self.running
        ask = cycle.ask
        try:
            self._see_room(ask.path)
            self._answer_at_once(cycle, ask, cycle.body)
        except NotOrdinary:
            slow = self._as_parsed(cycle)
            self.cycle = slow if self.cycle is cycle else self.cycle
            super()._start_asgi_task(slow, self.app)
        except Exception:  # noqa: BLE001  # as in `_answer`
            self._fail(cycle)

    def _as_parsed(self, cycle: _Cycle) -> RequestResponseCycle:
        """The same request as the parser would have left it."""
        ask = cycle.ask
        scope: Any = {
            "type": "http", "asgi": {"version": self.asgi_version, "spec_version": "2.3"}, "http_version": "1.1", "server": self.server,
            "client": self.client, "scheme": self.scheme, "root_path": self.root_path, "state": self.app_state.copy(), "method": ask.method,
            "path": ask.path, "raw_path": ask.path.encode(), "query_string": b"", "headers": [*ask.headers.items()],
        }  # fmt: skip
        made = RequestResponseCycle(
            scope, self.transport, self.flow, self.logger, self.access_logger, self.access_log, self.server_state.default_headers,
            asyncio.Event(), expect_100_continue=False, keep_alive=cycle.keep_alive, on_response=self.on_response_complete,
        )  # fmt: skip
        made.body += cycle.body
        made.more_body, made.disconnected = False, cycle.disconnected
        made.message_event.set()
        return made

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if app is not self.app or cycle.waiting_for_100_continue or self.flow.write_paused or not _is_quick(cycle.scope):
            super()._start_asgi_task(cycle, app)
            return
        self.running = cycle
        if cycle.more_body:
            self._awaited = cycle
        else:
            self._begin(cycle)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        cycle = self._awaited
        if cycle is not None and not cycle.more_body:
            self._awaited = None
            self._begin(cycle)

    def _begin(self, cycle: Any) -> None:
        self._thread.begin(partial(self._answer, cycle))

    def _answer(self, cycle: Any) -> None:
        """In a task; it never raises."""
        scope = cycle.scope
        try:
            self._see_room(scope["path"])
            if self._short is not None and _plain(scope["headers"]):
                ask = _Ask(scope["method"], scope["path"], dict(scope["headers"]), self.client and self.client[0])
                self._answer_at_once(cycle, ask, bytes(cycle.body))
            else:
                self._answer_as_wsgi(cycle, self.app.app)
        except NotOrdinary:
            super()._start_asgi_task(cycle, self.app)
        except Exception:  # noqa: BLE001  # what no layer has caught is still an answer, but only one
            self._fail(cycle)

    def _see_room(self, path: str) -> None:
        """Liveness waits for nothing, so it needs none."""
        if self._thread.under_way > MOST_UNDER_WAY and path != LIVENESS:
            raise NotOrdinary

    def _fail(self, cycle: Any) -> None:
        with suppress(OSError):  # of a log that can't be written
            get_logger("web").exception("request failed")
        if not cycle.response_complete:
            self._reply(cycle, _head(_FAILED, b""), _FAILED.body)

    def _answer_at_once(self, cycle: Any, ask: _Ask, body: bytes) -> None:
        """What the layers of WSGI would do, without their dictionaries."""
        begun = time.perf_counter()
        short: Short = self._short  # type: ignore[assignment]  # whoever calls has looked
        try:
            way = ask.way or ask.find(short)
            answer = None if way is None else way(body)
        except Exception as error:  # the endpoints never raise: whatever it is happened before them, and the outermost layer tells of it
            raise NotOrdinary from error
        if answer is None:
            raise NotOrdinary
        request_id = next(QuickProtocol._ids, "") or self._draw()
        self._reply(cycle, b"%bX-Request-Id: %b\r\n" % (_head(answer, short.extra), request_id.encode()), answer.body)
        log_request(short.name, ask.method, ask.path, answer.status, begun, ask.peer, request_id, self.loop)

    def _answer_as_wsgi(self, cycle: Any, app: Any) -> None:
        started = Started()
        body = b"".join(app(environ_of(cycle.scope, bytes(cycle.body)), started))
        status = int(started.line[:3])
        left_out = ("Connection", "Content-Length") if status == 304 else ("Connection",)  # RFC 9110 8.6: of a document that is not sent
        self._reply(cycle, STATUS_LINE[status] + lines_of([header for header in started.headers if header[0] not in left_out]), body)

    def _reply(self, cycle: Any, head: bytes, body: bytes) -> None:
        """Everything in one go."""
        if cycle.disconnected or self.transport.is_closing():
            return
        if draining():
            cycle.keep_alive = False
        source, dated = QuickProtocol._dated
        if source is not self.server_state.default_headers:
            dated = self._date()
        cycle.response_started = cycle.response_complete = True
        self.transport.write(b"%b%b%b\r\n%b" % (head, b"" if cycle.keep_alive else _CLOSE, dated, body))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _draw(self) -> str:
        """The next request's id, and those of the next hundred: all of one draw of random bytes."""
        drawn = random_hex(8 * 128)
        QuickProtocol._ids = iter([drawn[n : n + 16] for n in range(0, len(drawn), 16)])
        return next(QuickProtocol._ids)

    def _date(self) -> bytes:
        """The lines that the server adds, which are others every second."""
        headers = self.server_state.default_headers
        dated = b"".join(b"%b: %b\r\n" % header for header in headers)
        QuickProtocol._dated = headers, dated
        return dated


def _plain(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether no header is there twice."""
    return len({name for name, _ in headers}) == len(headers)


def _head(answer: Answer, extra: bytes) -> bytes:
    """Status and headers but for those that each answer has of its own; `extra` are the lines that all have."""
    lines = lines_of(answer.headers) if answer.lines is None else answer.lines
    if answer.status == 304:
        return b"%b%b%b" % (STATUS_LINE[304], lines, extra)
    return b"%b%bContent-Length: %d\r\n%b" % (STATUS_LINE[answer.status], lines, len(answer.body), extra)


def _is_quick(scope: Any) -> bool:
    """Whether the front may find it ordinary, and its body is known to be small."""
    if scope["query_string"]:
        return False
    if scope["method"] == "GET":
        asked = scope["path"] == LIVENESS or scope["path"].startswith(DISCOVERY)
        return asked and not any(name in _FRAMED for name, _ in scope["headers"])
    if scope["method"] != "POST" or scope["path"] not in POSTS:
        return False
    told = next((value for name, value in scope["headers"] if name == _LENGTH), b"")
    return told.isdigit() and int(told) <= LARGEST
