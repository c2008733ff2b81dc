"""Resource indicators (RFC 8707): which protected resource a client means."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from application.services import Services
from domain.account import Account
from domain.errors import DomainError

_DEFAULT_PORTS = {"http": 80, "https": 443}


class InvalidTarget(DomainError):
    """No protected resource of the account is meant (RFC 8707 2: `invalid_target`)."""


def canonical(services: Services, account: Account, named: Sequence[str]) -> str:
    """The identifier of the one resource that is named, however often; the MCP endpoint where none is (an empty value names none, RFC 6749 3.1)."""
    meant = {_identifier(services, account, text) for text in named if text} or {services.mcp_url}
    if len(meant) > 1:
        raise InvalidTarget("One resource at a time: ask for a token for each.")
    identifier = meant.pop()
    if identifier not in account.resources:
        raise InvalidTarget("This account has no such protected resource.")
    return identifier


def _identifier(services: Services, account: Account, text: str) -> str:
    if text in account.resources:
        return text
    wanted = _normal(text)
    if wanted in {_origin(services.mcp_url), _origin(services.issuer)}:
        return services.mcp_url
    for identifier in account.resources:
        if _normal(identifier) == wanted:
            return identifier
    raise InvalidTarget("resource is not a protected resource of this account.")


def _normal(text: str) -> str:
    """Scheme and host in lower case, no default port, no slash at the end: the gateway answers with and without it."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InvalidTarget("resource is not a URI.") from None
    if not parts.scheme or not parts.hostname or "#" in text or "@" in parts.netloc or not text.isprintable() or " " in text:
        raise InvalidTarget("resource is an absolute URI without a fragment.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = "" if port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{port}"
    path = parts.path if parts.query else parts.path.removesuffix("/")
    return f"{parts.scheme}://{host}{shown}{path}" + (f"?{parts.query}" if parts.query else "")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return _normal(f"{parts.scheme}://{parts.netloc}")
