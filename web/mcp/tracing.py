"""What the gateway's requests are made of, as spans; used only where tracing is configured."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from typing import Any

from infrastructure.tracing import Tracing
from web.mcp.deciders import Deciders
from web.mcp.upstream import Upstreams


def trace_gateway(tracing: Tracing) -> None:
    """Upstreams are called within a span and told which; what asks the database belongs to the request that waits for it."""

    def told(before: Callable[..., Any]) -> Callable[..., Any]:
        def opened(self: Upstreams, upstream: str, method: str, headers: dict[str, str], body: bytes | None) -> Any:
            return before(self, upstream, method, {**headers, **tracing.headers()}, body)

        return opened

    def carried(before: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, work: before(self, functools.partial(contextvars.copy_context().run, work))

    tracing.replace(Upstreams, "open", told)
    tracing.method(Upstreams, "open", lambda _, __, method, *___: (f"{method} upstream", {"http.request.method": method}), kind="client")
    tracing.replace(Deciders, "do", carried)
