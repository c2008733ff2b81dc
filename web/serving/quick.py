"""The ordinary requests of OAuth clients, answered on the event loop itself: each a task that gives way while the database works."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from infrastructure.logs import get_logger
from infrastructure.randomness import random_hex
from infrastructure.run_folder import draining
from infrastructure.tasks import LoopThread
from web.access_log import AccessLog, log_request
from web.front import DISCOVERY, POSTS, REASONS, Front, Incoming, NotOrdinary
from web.oauth.answers import SHARED, Answer, Headers
from web.oauth.forms import LARGEST
from web.serving.connection import GuardedProtocol, Reading
from web.serving.environ import environ_of
from web.serving.whole import Whole, whole

_FAILED = Answer(500, [("Content-Type", "application/json")], b'{"error":"server_error"}')
_LENGTH, _FRAMED = b"content-length", (b"content-length", b"transfer-encoding")


class _Nobody:
    """Waits for nothing that happens to the request."""

    def set(self) -> None:
        pass


class _Cycle:
    """A request that came whole, as the connection sees it while it is answered."""

    __slots__ = ("disconnected", "keep_alive", "request", "response_complete", "response_started")

    message_event = _Nobody()

    def __init__(self, request: Whole) -> None:
        self.request, self.keep_alive = request, True
        self.disconnected = self.response_started = self.response_complete = False


class QuickProtocol(GuardedProtocol):
    """What is not quick, whatever the front does not find ordinary, and all of a client that doesn't read, goes the way of all requests."""

    _awaited: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._thread = LoopThread.of(self.loop)
        outermost: Any = self.app.app
        self._short = (outermost, outermost.inner) if type(outermost) is AccessLog and type(outermost.inner) is Front else None

    def data_received(self, data: bytes) -> None:
        """What comes whole between two requests never reaches the parser, which waits for the next one just so."""
        at_rest = self.running is None and self.reading is Reading.NOTHING and not (self._last or self.transport.deaf or self.flow.write_paused)
        request = whole(data) if at_rest and self._short is not None else None
        if request is None:
            super().data_received(data)
        else:
            self.running = self.cycle = _Cycle(request)
            self._thread.begin(self._answer_whole)

    def _answer_whole(self) -> None:
        """In a task; it never raises."""
        cycle = self.running
        try:
            method, path, headers, body = cycle.request
            self._answer_at_once(cycle, Incoming(method, path, _Headers(headers), self.client and self.client[0], lambda: body))
        except NotOrdinary:
            slow = self._as_parsed(cycle)
            self.cycle = slow if self.cycle is cycle else self.cycle
            super()._start_asgi_task(slow, self.app)
        except Exception:  # noqa: BLE001  # as in `_answer`
            self._fail(cycle)

    def _as_parsed(self, cycle: _Cycle) -> RequestResponseCycle:
        """The same request as the parser would have left it."""
        method, path, headers, body = cycle.request
        scope: Any = {
            "type": "http", "asgi": {"version": self.asgi_version, "spec_version": "2.3"}, "http_version": "1.1", "server": self.server,
            "client": self.client, "scheme": self.scheme, "root_path": self.root_path, "state": self.app_state.copy(), "method": method,
            "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [*headers.items()],
        }  # fmt: skip
        made = RequestResponseCycle(
            scope, self.transport, self.flow, self.logger, self.access_logger, self.access_log, self.server_state.default_headers,
            asyncio.Event(), expect_100_continue=False, keep_alive=cycle.keep_alive, on_response=self.on_response_complete,
        )  # fmt: skip
        made.body += body
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
            if self._short is not None and _plain(scope["headers"]):
                peer, headers = self.client and self.client[0], _Headers(dict(scope["headers"]))
                self._answer_at_once(cycle, Incoming(scope["method"], scope["path"], headers, peer, lambda: bytes(cycle.body)))
            else:
                self._answer_as_wsgi(cycle, self.app.app)
        except NotOrdinary:
            super()._start_asgi_task(cycle, self.app)
        except Exception:  # noqa: BLE001  # what no layer has caught is still an answer, but only one
            self._fail(cycle)

    def _fail(self, cycle: Any) -> None:
        with suppress(OSError):  # of a log that can't be written
            get_logger("web").exception("request failed")
        if not cycle.response_complete:
            self._reply(cycle, REASONS[_FAILED.status], _head(_FAILED), _FAILED.body)

    def _answer_at_once(self, cycle: Any, request: Incoming) -> None:
        """What the layers of WSGI would do, without their dictionaries."""
        begun = time.perf_counter()
        log, front = self._short  # type: ignore[misc]  # whoever calls has looked
        try:
            answer = front.answer(request)
        except Exception as error:  # the endpoints never raise: whatever it is happened before them, and the outermost layer tells of it
            raise NotOrdinary from error
        if answer is None:
            raise NotOrdinary
        request_id = random_hex(8)
        head = f"{_head(answer)}{_lines(front.extra)}X-Request-Id: {request_id}\r\n"
        self._reply(cycle, REASONS[answer.status], head, answer.body)
        log_request(log.name, request.method, request.path, str(answer.status), begun, request.peer, request_id)

    def _answer_as_wsgi(self, cycle: Any, app: Any) -> None:
        line, given = "", []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            nonlocal line, given
            line, given = status, headers

        body = b"".join(app(environ_of(cycle.scope, bytes(cycle.body)), start_response))
        self._reply(cycle, line, _lines([header for header in given if header[0] != "Connection"]), body)

    def _reply(self, cycle: Any, status: str, head: str, body: bytes) -> None:
        """Everything in one go."""
        if cycle.disconnected or self.transport.is_closing():
            return
        if draining():
            cycle.keep_alive = False
        if not cycle.keep_alive:
            head += "Connection: close\r\n"
        dated = b"".join(name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers)
        cycle.response_started = cycle.response_complete = True
        self.transport.write(b"HTTP/1.1 %b\r\n%b%b\r\n%b" % (status.encode(), head.encode("latin-1"), dated, body))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()


class _Headers:
    """The request's headers by their usual names."""

    __slots__ = ("_by_name",)

    def __init__(self, by_name: dict[bytes, bytes]) -> None:
        self._by_name = by_name

    def get(self, name: str, /) -> str | None:
        value = self._by_name.get(_NAMES[name])
        return None if value is None else value.decode("latin-1")


_NAMES = {name: name.lower().encode() for name in ("Authorization", "Content-Type", "Host", "If-None-Match", "User-Agent")}


def _plain(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether no header is there twice."""
    return len({name for name, _ in headers}) == len(headers)


def _head(answer: Answer) -> str:
    """The lines of its headers; those that most answers share are joined once."""
    shared = SHARED.get(id(answer.headers))
    lines = _lines(answer.headers) if shared is None else shared
    return lines if answer.status == 304 else f"{lines}Content-Length: {len(answer.body)}\r\n"


def _lines(headers: Headers) -> str:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or "\0" in lines:
        raise ValueError("a header holds what would end it")
    return lines


def _is_quick(scope: Any) -> bool:
    """Whether the front may find it ordinary, and its body is known to be small."""
    if scope["query_string"]:
        return False
    if scope["method"] == "GET":
        return scope["path"].startswith(DISCOVERY) and not any(name in _FRAMED for name, _ in scope["headers"])
    if scope["method"] != "POST" or scope["path"] not in POSTS:
        return False
    told = next((value for name, value in scope["headers"] if name == _LENGTH), b"")
    return told.isdigit() and int(told) <= LARGEST
