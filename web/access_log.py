"""The outermost layer: gives each request an id and writes one log line for it, without query strings, bodies or headers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from application.ports import Busy
from infrastructure.database import ConnectionLost, DatabaseUnavailable
from infrastructure.logs import get_logger, info_line
from infrastructure.randomness import random_hex
from infrastructure.run_folder import draining
from web.metrics import count_request

REQUEST_ID = "grantbook.request_id"
_LONGEST = 64
_QUIET = frozenset({"/healthz", "/readyz"})


class AccessLog:
    """WSGI middleware; `name` tells the log's lines of several servers apart."""

    def __init__(self, app: Callable[..., Iterable[bytes]], name: str) -> None:
        self.inner, self.name = app, name
        self._failures = get_logger(name)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        begun = time.perf_counter()
        request_id = environ[REQUEST_ID] = random_hex(8)
        status = "000"

        def started(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal status
            status = line[:3]
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


def log_request(server: str, method: str | None, path: str, status: str, begun: float, peer: str | None, request_id: str) -> None:
    """Count a request and write its line. `status` is three digits, `begun` a reading of `time.perf_counter`."""
    seconds = time.perf_counter() - begun
    count_request(server, path, status, seconds)
    if path not in _QUIET or status != "200":
        fields = {
            "method": method,
            "path": path if len(path) <= _LONGEST and "@" not in path and path.isprintable() else _masked(path),
            "status": int(status),
            "ms": round(seconds * 1000, 2),
            "peer": peer,
            "request": request_id,
        }
        info_line(server, "request", fields)


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
