"""A web worker's loop in this process and one connection without a socket: requests are answered as in production, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import uvicorn
import uvloop
from uvicorn.server import ServerState

from infrastructure.tasks import LoopThread
from web.served import Wsgi
from web.serving.quick import QuickProtocol
from web.serving.wsgi import ThreadedWsgi

_DATE = (b"date", b"Mon, 30 Nov 2026 00:00:00 GMT")


class Work(Protocol):
    """Requests of one kind."""

    def request(self) -> bytes:
        """The next one, as a client writes it."""

    def answered(self, body: bytes) -> None:
        """What came back for it."""


class _Client(asyncio.Transport):
    """The other side of the connection: takes each answer and sends the next request in the loop's next turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self.protocol: asyncio.Protocol
        self._work: Work
        self._left, self._each = 0, _nothing

    def begin(self, work: Work, times: int, each: Callable[[], None]) -> None:
        self._work, self._left, self._each = work, times, each
        self._loop.call_soon(self._ask)

    def _ask(self) -> None:
        self._each()
        if self._left:
            self._left -= 1
            self.protocol.data_received(self._work.request())
        else:
            self._loop.stop()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        head, _, body = bytes(data).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 20"):
            raise SystemExit(f"{head.decode()}\n\n{body.decode()}")
        self._work.answered(body)
        self._loop.call_soon(self._ask)

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 40_000), "sockname": ("127.0.0.1", 8000)}.get(name, default)


class Worker:
    """`run` is all there is to call."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connected: Callable[[asyncio.Transport], asyncio.Protocol]) -> None:
        self._loop, self._connected = loop, connected

    def run(self, work: Work, times: int, each: Callable[[], None] | None = None) -> None:
        """Send so many requests on one connection, each when the one before it is answered; `each` is called before, between and after them."""
        client = _Client(self._loop)
        client.protocol = self._connected(client)
        client.begin(work, times, each or _nothing)
        self._loop.run_forever()


@contextmanager
def worker(wsgi: Wsgi) -> Iterator[Worker]:
    """A worker for this application, on this thread."""
    loop, served, state = uvloop.new_event_loop(), ThreadedWsgi(wsgi, 1), ServerState()
    config = uvicorn.Config(cast(Any, served), interface="asgi3", log_config=None, ws="none", proxy_headers=False)
    config.load()
    state.default_headers = [_DATE]

    def connected(client: asyncio.Transport) -> asyncio.Protocol:
        protocol = QuickProtocol(config, state, {}, loop)
        protocol.connection_made(client)
        return protocol

    try:
        yield Worker(loop, connected)
    finally:
        LoopThread.of(loop).close()
        served.end()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def _nothing() -> None:
    pass
