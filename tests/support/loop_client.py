"""A client whose requests are answered on a web worker's event loop, over a real connection, in this process."""

from __future__ import annotations

import asyncio
import copy
import http.client
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import uvicorn
from uvicorn.server import ServerState
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, TestResponse

from tests.support.on_the_loop import OnTheLoop, on_the_loop
from web.served import Wsgi
from web.serving.quick import QuickProtocol
from web.serving.wsgi import ThreadedWsgi

PEER = "203.0.113.5"
TIMEOUT_S = 200.0


class _FromElsewhere(QuickProtocol):
    """The client's address is not this computer's."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.client = (PEER, 40_000)


class LoopClient:
    """Starts at its first request. `post` answers as werkzeug's test client does."""

    def __init__(self, wsgi: Wsgi, host: str = "localhost:8000") -> None:
        self.wsgi, self._wsgi, self._host = wsgi, ThreadedWsgi(wsgi, 4), host
        self._stack = ExitStack()
        self._port: int | None = None
        self._starting = threading.Lock()
        self._first: LoopClient | None = None
        self.loop: OnTheLoop | None = None

    @property
    def port(self) -> int:
        if self._first is not None:
            return self._first.port
        with self._starting:
            if self._port is None:
                self._port = self._serve()
            return self._port

    def at(self, host: str) -> LoopClient:
        """A client of the same worker that asks for another host."""
        made = copy.copy(self)
        made._host, made._first = host, self
        return made

    def post(self, path: str, *, data: str | bytes, content_type: str, headers: Mapping[str, str] | None = None, **_: Any) -> TestResponse:
        """POST a body on a connection of its own."""
        body = data.encode() if isinstance(data, str) else data
        connection = http.client.HTTPConnection("localhost", self.port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", path, body, {"Host": self._host, "Content-Type": content_type, "User-Agent": "Werkzeug", **(headers or {})})
            answer = connection.getresponse()
            read = answer.read()
        finally:
            connection.close()
        told = Headers(answer.getheaders())
        return TestResponse([read], f"{answer.status} {answer.reason}", told, EnvironBuilder(path, method="POST").get_request())

    def close(self) -> None:
        self._stack.close()
        self._wsgi.end()

    def _serve(self) -> int:
        self.loop = self._stack.enter_context(on_the_loop())
        config = uvicorn.Config(self._wsgi, interface="asgi3", loop="uvloop", ws="none", log_config=None, proxy_headers=False)
        config.load()
        state, loop = ServerState(), self.loop.loop

        async def listen() -> asyncio.AbstractServer:
            return await loop.create_server(lambda: _FromElsewhere(config, state, {}, loop), "127.0.0.1", 0)

        async def leave(server: Any) -> None:
            server.close()
            connections: list[Any] = [*state.connections]
            for connection in connections:
                connection.transport.end()

        server: Any = self.loop.await_(listen())
        self._stack.callback(lambda: self.loop and self.loop.await_(leave(server)))
        port: int = server.sockets[0].getsockname()[1]
        return port
