"""`/metrics` on a port of its own: what all processes of this server have counted, and where the ledger and the views stand right now."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from application.counting import Key
from infrastructure.logs import get_logger
from infrastructure.metrics import families
from infrastructure.metrics_files import Sums
from infrastructure.metrics_store import store_gauges
from infrastructure.ports_in_use import check_port
from infrastructure.run_folder import RunFolder
from infrastructure.settings import Settings

_OPTION = "GRANTBOOK_METRICS_PORT"
log = get_logger("metrics")


class _Everything(Collector):
    """Counted and asked anew at each scrape."""

    def __init__(self, sums: Sums, extra: Callable[[], dict[Key, float]]) -> None:
        self._sums, self._extra = sums, extra

    def collect(self) -> Iterable[Metric]:
        numbers, times = self._sums.read()
        return families(numbers | self._extra(), times)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    """Whatever went wrong with a connection is the scraper's to report."""

    timeout = 10

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # the name of the one that it replaces
        pass


def metrics_application(sums: Sums, extra: Callable[[], dict[Key, float]]) -> Callable[[dict[str, Any], Callable[..., Any]], list[bytes]]:
    """A WSGI application that answers GET /metrics and nothing else."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Everything(sums, extra))

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if environ.get("PATH_INFO") != "/metrics" or environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _answer(start_response, "404 Not Found", "text/plain; charset=utf-8", b"Only GET /metrics is served here.\n")
        encode, content_type = choose_encoder(environ.get("HTTP_ACCEPT", ""))
        try:
            return _answer(start_response, "200 OK", content_type, encode(registry))
        except Exception:
            log.exception("a scrape failed")
            return _answer(start_response, "500 Internal Server Error", "text/plain; charset=utf-8", b"The scrape failed; the log says why.\n")

    return application


@contextlib.contextmanager
def metrics_served(settings: Settings, folder: RunFolder, dsn: Callable[[], str]) -> Iterator[None]:
    """Serve while this lasts, if GRANTBOOK_METRICS_PORT is set; `PortInUse` where somebody else has the port."""
    port = settings.metrics_port
    if port is None:
        yield
        return
    check_port(settings.host, port, _OPTION)

    def extra() -> dict[Key, float]:
        return {("draining",): float(folder.is_draining()), **store_gauges(dsn, settings)}

    kind = _Server6 if ":" in settings.host else _Server
    server = make_server(settings.host, port, metrics_application(Sums(folder.counts), extra), server_class=kind, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, name=f"metrics-{os.getpid()}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _answer(start_response: Callable[..., Any], status: str, content_type: str, body: bytes) -> list[bytes]:
    start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body))), ("X-Content-Type-Options", "nosniff")])
    return [body]
