"""The outermost layer: gives each request an id and writes one log line for it, without query strings, bodies or headers."""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from application.ports import Busy
from infrastructure.clock import now
from infrastructure.database import ConnectionLost, DatabaseUnavailable
from infrastructure.logs import get_logger, info_line
from infrastructure.randomness import random_hex
from infrastructure.run_folder import draining
from web.metrics import count_request

REQUEST_ID = "grantbook.request_id"
_LONGEST = 64
_QUIET = frozenset({"/healthz", "/readyz"})


class _RequestLine(msgspec.Struct, gc=False):
    module: str
    method: str | None
    path: str
    status: int
    ms: float
    peer: str | None
    request: str
    event: str
    level: str
    timestamp: datetime


class AccessLog:
    """WSGI middleware; `name` tells the log's lines of several servers apart."""

    def __init__(self, app: Callable[..., Iterable[bytes]], name: str) -> None:
        self.inner, self.name = app, name
        self._failures = get_logger(name)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        begun = time.perf_counter()
        request_id = environ[REQUEST_ID] = random_hex(8)
        status = 0

        def started(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal status
            status = int(line[:3])
            headers.append(("X-Request-Id", request_id))
            if draining():
                headers.append(("Connection", "close"))
            return start_response(line, headers) if exc_info is None else start_response(line, headers, exc_info)

        try:
            body = self.inner(environ, started)
        except (Busy, DatabaseUnavailable, ConnectionLost) as error:
            body = _refused(started, "503 Service Unavailable", "temporarily_unavailable", getattr(error, "retry_after", 2))
        except Exception:  # noqa: BLE001  # logged, and answered without its cause
            self._failures.exception("request failed", request=request_id)
            body = _refused(started, "500 Internal Server Error", "server_error")
        log_request(self.name, environ.get("REQUEST_METHOD"), environ.get("PATH_INFO", ""), status, begun, environ.get("REMOTE_ADDR"), request_id)
        return body


def log_request(
    server: str, method: str | None, path: str, status: int, begun: float, peer: str | None, request_id: str, loop: AbstractEventLoop | None = None
) -> None:
    """Count a request and write its line. `status` is 0 where nothing was answered, `begun` a reading of `time.perf_counter`."""
    seconds = time.perf_counter() - begun
    count_request(server, path, status, seconds)
    if path not in _QUIET or status != 200:
        shown = path if len(path) <= _LONGEST and "@" not in path and path.isprintable() else _masked(path)
        ms = int(seconds * 100_000 + 0.5) / 100
        info_line(_RequestLine(server, method, shown, status, ms, peer, request_id, "request", "info", now()), loop)


def _masked(path: str) -> str:
    """No path of ours has an address or a token in it; whatever a client put there is not for the log. Nothing of it steers a terminal."""
    parts = ["…" if len(part) > _LONGEST or "@" in part else part for part in path.split("/")]
    masked = "/".join(parts if len(parts) <= 12 else [*parts[:12], "…"])
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in masked)


def _refused(started: Callable[..., Any], line: str, code: str, retry_after: int | None = None) -> list[bytes]:
    """The last resort: what no route has caught is still an answer in JSON, without its cause."""
    body = f'{{"error":"{code}"}}'.encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
    started(line, headers if retry_after is None else [*headers, ("Retry-After", str(retry_after))])
    return [body]
