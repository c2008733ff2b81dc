"""A span for each request; used only where tracing is configured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from infrastructure.tracing import Tracing
from web.access_log import REQUEST_ID
from web.metrics import endpoint_of


class TracedRequests:
    """WSGI middleware inside the request log. A caller's `traceparent` is continued only where a trusted proxy stands in front."""

    def __init__(self, app: Callable[..., Iterable[bytes]], tracing: Tracing, *, trusted: bool) -> None:
        self._app, self._tracing, self._trusted = app, tracing, trusted

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        given = environ.get("HTTP_TRACEPARENT", "") if self._trusted else ""
        endpoint, method = endpoint_of(environ["PATH_INFO"]), environ["REQUEST_METHOD"]
        method = method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "_OTHER"
        attributes = {"http.request.method": method, "grantbook.endpoint": endpoint, "grantbook.request_id": environ.get(REQUEST_ID, "")}
        parent = {"traceparent": given} if given else None
        with self._tracing.span(f"{method} {endpoint}", attributes, kind="server", parent=parent) as span:

            def started(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
                span.set_attribute("http.response.status_code", int(line[:3]))
                return start_response(line, headers) if exc_info is None else start_response(line, headers, exc_info)

            return self._app(environ, started)
