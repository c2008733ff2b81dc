"""How a WSGI application is served: behind the proxies that are trusted, inside the request log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

from infrastructure.settings import Settings
from infrastructure.tracing import current
from web.access_log import AccessLog
from web.tracing import TracedRequests

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def served(settings: Settings, application: Wsgi, name: str) -> Wsgi:
    """`name` stands in the log's lines. Headers of proxies count only as far as GRANTBOOK_TRUSTED_PROXIES says."""
    hops = settings.trusted_proxies
    # Where hosts tell accounts apart, Host alone does: a proxy that guards one by it may pass on a client's X-Forwarded-Host.
    inner = ProxyFix(application, x_for=hops, x_proto=hops, x_host=0 if settings.by_host else hops) if hops else application
    tracing = current()
    return AccessLog(inner if tracing is None else TracedRequests(inner, tracing, trusted=bool(hops)), name)
