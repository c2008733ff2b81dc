"""A server behind the gateway that answers whatever a test tells it to, and keeps what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, Mapping[str, str], Iterator[bytes] | bytes]


@dataclass
class Upstream:
    """`reply` makes the answer to a body."""

    url: str = ""
    reply: Callable[[bytes], Reply] = lambda _: (200, {"Content-Type": "application/json"}, b"{}")
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def json(self, body: bytes, **headers: str) -> None:
        """Answer this JSON from now on."""
        told = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        self.reply = lambda _: (200, told, body)


@contextmanager
def hostile_upstream() -> Iterator[Upstream]:
    """It listens on a port of 127.0.0.1."""
    upstream = Upstream()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            upstream.bodies.append(body)
            upstream.headers.append({name.lower(): value for name, value in self.headers.items()})
            status, headers, answer = upstream.reply(body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            for chunk in [answer] if isinstance(answer, bytes) else answer:
                try:
                    self.wfile.write(chunk)
                    self.wfile.flush()
                except OSError:
                    return

        do_DELETE = do_POST  # noqa: N815  # the names that http.server calls

        def log_message(self, *_: Any, **__: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    upstream.url = f"http://127.0.0.1:{server.server_port}/mcp"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield upstream
    finally:
        server.shutdown()
        server.server_close()
