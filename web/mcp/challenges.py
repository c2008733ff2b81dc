"""401 and 403 answers of the gateway, each with its challenge."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from flask import Response, jsonify

from domain.account import Account, Resource
from web import challenges
from web.challenges import metadata_url

__all__ = ["insufficient_scope", "metadata_url", "path_of", "unauthorized"]


def path_of(identifier: str) -> str:
    """The path of a resource's identifier, without a trailing slash but for the root."""
    return urlsplit(identifier).path.rstrip("/") or "/"


def unauthorized(resource: Resource, account: Account, error: str | None = None, description: str | None = None) -> Response:
    """401: no token, or one that is not valid (`invalid_token`)."""
    response = jsonify({"error": error or "unauthorized", "error_description": description or "An access token is needed."})
    response.status_code = 401
    response.headers["Cache-Control"] = "no-store"
    response.headers["WWW-Authenticate"] = challenges.unauthorized(resource, account, error, description)
    return response


def insufficient_scope(resource: Resource, needed: str, granted: Iterable[str], description: str) -> Response:
    """403: the scope of the operation is missing."""
    response = jsonify({"error": "insufficient_scope", "error_description": description, "scope": needed})
    response.status_code = 403
    response.headers["Cache-Control"] = "no-store"
    response.headers["WWW-Authenticate"] = challenges.insufficient_scope(resource, needed, granted, description)
    return response
