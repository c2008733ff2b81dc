"""What the outermost layer counts of each request, under names of endpoints that no client can make up."""

from __future__ import annotations

from collections.abc import Callable

from application.counting import timer

_EXACT = {
    "/oauth/token": "token",
    "/oauth/introspect": "introspect",
    "/oauth/authorize": "authorize",
    "/oauth/register": "register",
    "/oauth/revoke": "revoke",
    "/consent": "consent",
    "/sign-in": "sign_in",
    "/sign-out": "sign_out",
    "/setup": "setup",
    "/connected-apps": "connected_apps",
    "/healthz": "health",
    "/readyz": "health",
}
_BEGIN = (
    ("/settings", "settings"),
    ("/static/", "static"),
    ("/.well-known/", "discovery"),
    ("/api/ai/", "mcp"),
    ("/api/", "api"),
    ("/connected-apps/", "connected_apps"),
    ("/setup/", "setup"),
    ("/oauth/register/", "register"),
    ("/sso/", "sso"),
    ("/scim/", "scim"),
    ("/ledger/", "ledger"),
)
_CLASSES = {1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}
OTHER = "other"
_timers: dict[tuple[str, str, int], Callable[[float], None]] = {}
"""Those of paths that are served as they stand, which are few."""


def endpoint_of(path: str) -> str:
    """One of a few words."""
    return _EXACT.get(path) or next((name for begin, name in _BEGIN if path.startswith(begin)), OTHER)


def count_request(server: str, path: str, status: int, seconds: float) -> None:
    """`server` is web or gateway, `status` 0 where nothing was answered."""
    (_timers.get((server, path, status)) or _timer(server, path, status))(seconds)


def _timer(server: str, path: str, status: int) -> Callable[[float], None]:
    made = timer("request_seconds", server, endpoint_of(path), _CLASSES.get(status // 100, "5xx"))
    if path in _EXACT:
        _timers[server, path, status] = made
    return made
