"""401 and 403 answers of a protected resource, with the WWW-Authenticate header that real clients follow (RFC 6750 3, RFC 9728 5.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from flask import Response, jsonify

from domain.account import Account, Resource
from domain.scopes import OFFLINE_ACCESS


def metadata_url(identifier: str) -> str:
    """Where the resource's metadata stands: the well-known segment inserted before its path (RFC 9728 3.1)."""
    parts = urlsplit(identifier)
    path = parts.path if parts.path != "/" else ""
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{path}"


def path_of(identifier: str) -> str:
    """The path of a resource's identifier, without a trailing slash but for the root."""
    return urlsplit(identifier).path.rstrip("/") or "/"


def unauthorized(resource: Resource, account: Account, error: str | None = None, description: str | None = None) -> Response:
    """401: no token (without an error code, RFC 6750 3.1) or one that is not valid (`invalid_token`)."""
    scopes = [s for s in resource.scopes if s != OFFLINE_ACCESS and s in account.scopes and account.scopes[s].dynamic]
    parts = {"error": error, "error_description": description, "resource_metadata": metadata_url(resource.identifier), "scope": " ".join(scopes)}
    response = jsonify({"error": error or "unauthorized", "error_description": description or "An access token is needed."})
    response.status_code = 401
    response.headers["WWW-Authenticate"] = _bearer(parts)
    return response


def insufficient_scope(resource: Resource, needed: str, granted: Iterable[str], description: str) -> Response:
    """403: the scope of the operation is missing. `scope` names what the token has and what it lacks, so that stepping up loses nothing."""
    wanted = [*(s for s in granted if s not in (needed, OFFLINE_ACCESS)), needed]
    parts = {
        "error": "insufficient_scope",
        "error_description": description,
        "scope": " ".join(wanted),
        "resource_metadata": metadata_url(resource.identifier),
    }
    response = jsonify({"error": "insufficient_scope", "error_description": description, "scope": needed})
    response.status_code = 403
    response.headers["WWW-Authenticate"] = _bearer(parts)
    return response


def _bearer(parts: Mapping[str, str | None]) -> str:
    quoted = (f'{k}="{v.replace(chr(92), "").replace(chr(34), chr(39))}"' for k, v in parts.items() if v)
    return "Bearer " + ", ".join(quoted)
