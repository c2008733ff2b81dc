"""The WWW-Authenticate header of a protected resource's 401 and 403, which real clients follow (RFC 6750 3, RFC 9728 5.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from domain.account import Account, Resource
from domain.scopes import OFFLINE_ACCESS


def metadata_url(identifier: str) -> str:
    """Where the resource's metadata stands: the well-known segment inserted before its path (RFC 9728 3.1)."""
    parts = urlsplit(identifier)
    path = parts.path if parts.path != "/" else ""
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{path}"


def unauthorized(resource: Resource, account: Account, error: str | None = None, description: str | None = None) -> str:
    """No token (without an error code, RFC 6750 3.1) or one that is not valid (`invalid_token`)."""
    scopes = [s for s in resource.scopes if s != OFFLINE_ACCESS and s in account.scopes and account.scopes[s].dynamic]
    return _bearer(
        {"error": error, "error_description": description, "resource_metadata": metadata_url(resource.identifier), "scope": " ".join(scopes)}
    )


def insufficient_scope(resource: Resource, needed: str, granted: Iterable[str], description: str) -> str:
    """`scope` names what the token has and what it lacks, so that stepping up loses nothing."""
    wanted = [*(s for s in granted if s not in (needed, OFFLINE_ACCESS)), needed]
    return _bearer(
        {
            "error": "insufficient_scope",
            "error_description": description,
            "scope": " ".join(wanted),
            "resource_metadata": metadata_url(resource.identifier),
        }
    )


def _bearer(parts: Mapping[str, str | None]) -> str:
    quoted = (f'{k}="{v.replace(chr(92), "").replace(chr(34), chr(39))}"' for k, v in parts.items() if v)
    return "Bearer " + ", ".join(quoted)
