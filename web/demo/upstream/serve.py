"""Runs the demo's resource under uvicorn until it is told to end or its parent is gone."""

from __future__ import annotations

import signal
import socket
import threading
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from infrastructure.logs import get_logger
from web.demo.upstream.lifeline import end_soon, end_with_parent

log = get_logger(__name__)


class _Server(uvicorn.Server):
    """Ends with code 0 on a signal, and by force when something still hangs."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = threading.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # the signature is uvicorn's
        """Note the wish to end."""
        self.end()

    def end(self) -> None:
        """End gracefully within a second, by force soon after."""
        self.should_exit = True
        if not self._ending.is_set():
            self._ending.set()
            end_soon()


def serve(app: ASGIApp, listener: socket.socket, parent: int) -> None:
    """Answer requests on the listener; blocks until the end."""
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=60,
        )
    )
    signal.signal(signal.SIGTERM, server.handle_exit)
    signal.signal(signal.SIGINT, server.handle_exit)
    end_with_parent(parent, server.end)
    log.info("demo resource is listening", address=str(listener.getsockname()))
    server.run(sockets=[listener])
