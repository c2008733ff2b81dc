"""What the outermost layer counts of each request, under names of endpoints that no client can make up."""

from __future__ import annotations

from application.counting import took

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
_CLASSES = {"1": "1xx", "2": "2xx", "3": "3xx", "4": "4xx", "5": "5xx"}
OTHER = "other"


def endpoint_of(path: str) -> str:
    """One of a few words."""
    return _EXACT.get(path) or next((name for begin, name in _BEGIN if path.startswith(begin)), OTHER)


def count_request(server: str, path: str, status: str, seconds: float) -> None:
    """`server` is web or gateway, `status` three digits."""
    took(seconds, "request_seconds", server, _EXACT.get(path) or endpoint_of(path), _CLASSES.get(status[0], "5xx"))
