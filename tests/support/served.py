"""A WSGI application on a port of 127.0.0.1, served by threads of the test's own process."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

from werkzeug.serving import make_server

Wsgi = Callable[..., Any]


def whole(application: Wsgi) -> Wsgi:
    """The same, read to its end before the first byte leaves: the development server closes no file where the browser breaks off."""

    def call(environ: dict[str, Any], start_response: Wsgi) -> list[bytes]:
        answer = application(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            getattr(answer, "close", lambda: None)()

    return call


@contextlib.contextmanager
def served(application: Wsgi, port: int = 0, *, at_end: Callable[[], object] = lambda: None) -> Iterator[int]:
    """The port. `at_end` runs in the serving thread, whose connections are its own."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", port, whole(application))

    def serve() -> None:
        server.serve_forever()
        at_end()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
