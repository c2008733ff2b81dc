"""One web worker: its event loop, from the socket that it was given to the WSGI application."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket

import uvicorn

from application.ports import Busy
from application.retrying import pause_by
from infrastructure.logs import get_logger
from infrastructure.settings import Settings
from infrastructure.tasks import LoopThread, pause
from web.app import application
from web.serving.connection import sweep
from web.serving.quick import QuickProtocol
from web.serving.workers import BACKLOG
from web.serving.wsgi import ThreadedWsgi

log = get_logger("web")

FINISH_S = 2
"""For the answers that are under way when the end is wanted."""


class _Server(uvicorn.Server):
    """uvicorn's, which looks once a second for clients that keep it waiting. `saying`: the pipe that is told then that it serves and is not stuck."""

    def __init__(self, config: uvicorn.Config, saying: int | None) -> None:
        super().__init__(config)
        self._saying = saying

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._saying is not None and self.started:
            os.set_blocking(self._saying, False)
            self._say()
            log.info("worker serves")

    def _say(self) -> None:
        """A parent that was suspended has enough to read; one that is gone will end us."""
        if self._saying is not None:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._saying, b".")

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            self._say()
            sweep(self.server_state.connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """The tasks' connections last: what has begun is answered by them."""
        await super().shutdown(sockets)
        LoopThread.of(asyncio.get_running_loop()).close()


def work(settings: Settings, descriptor: int, saying: int) -> None:
    """Serve our application on the bound socket `descriptor` until SIGTERM or SIGINT; say in the pipe `saying`, once a second, that it is served."""
    pause_by(pause)
    app, served = application()
    _settle()
    run(ThreadedWsgi(served, settings.threads), QuickProtocol, descriptor, saying)
    with contextlib.suppress(Busy):
        app.services.allowances.give_back(app.store.tables())


def run(wsgi: ThreadedWsgi, protocol: type[asyncio.Protocol], descriptor: int, saying: int | None = None) -> None:
    """Any application, likewise."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises what it was sent once more when it has ended
    config = uvicorn.Config(
        wsgi,
        interface="asgi3",
        loop="uvloop",
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",  # what goes wrong is logged by what is ours
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=FINISH_S,
    )
    _Server(config, saying).run(sockets=[socket.socket(fileno=descriptor)])
    wsgi.end()


def _settle() -> None:
    """What was loaded at the start lives to the end: the garbage collector need not walk it time and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
