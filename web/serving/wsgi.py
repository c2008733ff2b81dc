"""The WSGI application behind a worker's event loop: each request in a thread of a pool, its answer handed over whole or as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from application.ports import Busy
from web.access_log import AccessLog
from web.app import MAX_BODY
from web.served import Wsgi
from web.serving.environ import environ_of
from web.serving.stream import Stream, close

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

MOST_INSIDE = 128
"""Requests of one worker that wait for a thread or have one; the next is told to come again."""
_WHOLE = 1 << 20
"""Bytes up to which a body of known length leaves in one piece."""
_BODYLESS = (204, 304)


class ThreadedWsgi:
    """An ASGI application. `app` is the WSGI one, `pool` the threads that it runs in; bodies of unknown length have half as many of their own."""

    def __init__(self, app: Wsgi, threads: int) -> None:
        self.app = app
        self.pool = ThreadPoolExecutor(threads, "wsgi")
        self._streams = ThreadPoolExecutor(max(1, threads // 2), "wsgi-stream")
        self._most, self._inside = max(threads, MOST_INSIDE), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        read = await _body(scope["headers"], receive)
        if read is None:
            return
        body, whole = read
        answer = await self._answer(environ_of(scope, body))
        if not whole:
            answer.headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        if answer.rest is None:
            await send({"type": "http.response.body", "body": answer.body})
        else:
            await self._stream(answer.rest, receive, send)

    def end(self) -> None:
        """Wait for what still runs: a broken-off body is closed, and may write that down."""
        self.pool.shutdown(cancel_futures=True)
        self._streams.shutdown(cancel_futures=True)

    async def _answer(self, environ: dict[str, Any]) -> _Answer:
        if self._inside >= self._most:
            return _begin(_FULL, environ)
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, _begin, self.app, environ)
        except Exception as error:  # noqa: BLE001  # logged, and answered without its cause
            return _begin(AccessLog(_raising(error), "web"), environ)
        finally:
            self._inside -= 1

    async def _stream(self, made: Iterable[bytes], receive: Receive, send: Send) -> None:
        """In one thread from its first piece to its last, as the connections to the database are a thread's own."""
        stream = Stream(made, asyncio.get_running_loop())
        job = self._streams.submit(stream.make)
        leaving = asyncio.ensure_future(_left(receive))
        leaving.add_done_callback(lambda _: stream.leave())
        try:
            while (piece := await stream.take()) is not None:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            if stream.whole:
                await send({"type": "http.response.body", "body": b""})
        finally:
            stream.leave()
            leaving.cancel()
            if job.cancel():
                self.pool.submit(close, made)


@dataclass(slots=True)
class _Answer:
    """`rest` is what is still to be iterated and closed."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    rest: Iterable[bytes] | None = None


@dataclass(slots=True)
class Started:
    """What the application passes to start_response and to the `write` that it gives."""

    line: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)

    def __call__(self, line: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], None]:
        self.line, self.headers = line, headers
        return self.written.append


def _begin(app: Wsgi, environ: dict[str, Any]) -> _Answer:
    """Run the application, and read what it answers unless that is long or of unknown length, or nobody may read it."""
    started = Started()
    made = app(environ, started)
    unread = bool(started.line) and (environ["REQUEST_METHOD"] == "HEAD" or _status(started) in _BODYLESS)
    if started.line and not (unread or started.written) and _is_stream(made, started):
        return _Answer(*_head(started), rest=made)
    try:
        body = b"" if unread else b"".join(made)
    finally:
        close(made)
    answer = _Answer(*_head(started), b"".join(started.written) + body)
    return replace(answer, body=b"") if answer.status in _BODYLESS else answer


def _status(started: Started) -> int:
    return int(started.line[:3])


def _is_stream(made: Iterable[bytes], started: Started) -> bool:
    if isinstance(made, list | tuple):
        return False
    length = next((value for name, value in started.headers if name.lower() == "content-length"), None)
    return length is None or int(length) > _WHOLE


def _head(started: Started) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Status and headers as bytes; what has no body has no length either (RFC 9110, 8.6)."""
    status = _status(started)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in started.headers]
    return status, [header for header in headers if header[0] != b"content-length"] if status in _BODYLESS else headers


async def _body(headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> tuple[bytes, bool] | None:
    """The body and whether that is all of it, read no further than the application would; None if the client went away."""
    told = {name: value for name, value in headers if name in {b"content-length", b"transfer-encoding"}}
    if not told:
        return b"", True
    if int(told.get(b"content-length", b"0")) > MAX_BODY:
        return b"", False
    body = bytearray()
    while len(body) <= MAX_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message["body"]
        if not message["more_body"] and len(body) <= MAX_BODY:
            return bytes(body), True
    return bytes(body[: MAX_BODY + 1]), False


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _live(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


def _raising(error: Exception) -> Wsgi:
    def app(_: dict[str, Any], __: Callable[..., Any]) -> Iterable[bytes]:
        raise error

    return app


def _refusing(_: dict[str, Any], __: Callable[..., Any]) -> Iterable[bytes]:
    raise Busy("All threads are taken.", retry_after=1)


_FULL = AccessLog(_refusing, "web")
