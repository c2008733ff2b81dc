"""Discovery: authorization server metadata (RFC 8414), protected resource metadata (RFC 9728) and keys (RFC 7517), from memory."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from flask import Blueprint, current_app, request
from werkzeug.wrappers import Response

from application.register_client import dynamic_scopes
from application.services import Services
from domain.account import Account, Resource
from domain.scopes import OFFLINE_ACCESS
from infrastructure.bootstrap import App
from web.oauth.answers import CORS, PREFLIGHT, SAFE

blueprint = Blueprint("wellknown", __name__, url_prefix="/.well-known")
KEPT_SECONDS = 5.0
METADATA_AGE = 60
KEYS_AGE = 30  # with the workers' 30 s no longer than a key is published before it signs
_METHODS = ["GET", "OPTIONS"]
Document = tuple[bytes, str]


@blueprint.route("/oauth-authorization-server", methods=_METHODS)
def authorization_server() -> Response:
    return _served("authorization-server", METADATA_AGE, server_metadata)


@blueprint.route("/jwks.json", methods=_METHODS)
def jwks() -> Response:
    return _served("jwks", KEYS_AGE, lambda services, account: services.access_tokens.jwks(str(account.id)))


@blueprint.route("/oauth-protected-resource", methods=_METHODS)
@blueprint.route("/oauth-protected-resource/", methods=_METHODS)
@blueprint.route("/oauth-protected-resource/<path:path>", methods=_METHODS)
def protected_resource(path: str = "") -> Response:
    """The root means the MCP endpoint; any other path the resource that has it."""
    place = path.strip("/")
    return _served(f"resource/{place}", METADATA_AGE, lambda services, account: resource_metadata(services, account, place))


def server_metadata(services: Services, account: Account) -> dict[str, Any]:
    """RFC 8414 2: only what is served."""
    issuer = services.issuer
    document = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "scopes_supported": list(dynamic_scopes(account)),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "protected_resources": list(account.resources),
    }
    if account.has_apps and account.registration_policy.registration != "off":
        document["registration_endpoint"] = f"{issuer}/oauth/register"
    return document


def resource_metadata(services: Services, account: Account, path: str) -> dict[str, Any] | None:
    """RFC 9728 2 for the resource at this path, without `offline_access`, which is no resource's; None if there is none."""
    resource = _resource(services, account, path)
    if resource is None:
        return None
    allowed = dynamic_scopes(account)
    return {
        "resource": resource.identifier,
        "authorization_servers": [services.issuer],
        "scopes_supported": [s for s in resource.scopes if s in allowed and s != OFFLINE_ACCESS],
        "bearer_methods_supported": ["header"],
        "resource_name": f"{account.name} {'MCP' if resource.identifier == services.mcp_url else 'API'}",
    }


def _resource(services: Services, account: Account, path: str) -> Resource | None:
    if not path:
        return account.resources.get(services.mcp_url)
    hosts = {urlsplit(url).netloc for url in (services.issuer, services.mcp_url, services.api_url)}
    for identifier, resource in account.resources.items():
        parts = urlsplit(identifier)
        if parts.netloc in hosts and parts.path.strip("/") == path:
            return resource
    return None


class _Memory:
    """Documents by name, made anew every few seconds."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[float, Document | None]] = {}

    def document(self, key: tuple[str, str], make: Callable[[], dict[str, Any] | None]) -> Document | None:
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept[0] < KEPT_SECONDS:
            return kept[1]
        payload = make()
        document = None
        if payload is not None:
            body = msgspec.json.encode(payload)
            document = (body, hashlib.sha256(body).hexdigest()[:32])
            self._kept[key] = (time.monotonic(), document)
        return document


def _served(name: str, age: int, make: Callable[[Services, Account], dict[str, Any] | None]) -> Response:
    if request.method == "OPTIONS":
        return Response(status=204, headers=PREFLIGHT)
    app: App = current_app.extensions["grantbook"]
    memory: _Memory = current_app.extensions.setdefault("grantbook.wellknown", _Memory())
    account_id = app.directory.account_for(request.host)

    def made() -> dict[str, Any] | None:
        account = app.services.store.load(Account, UUID(account_id)) if account_id else None
        return None if account is None else make(app.services, account)

    document = memory.document((account_id or "", name), made)
    if document is None:
        return Response(b'{"error":"not_found"}', 404, [*CORS, *SAFE, ("Cache-Control", "no-store")], content_type="application/json")
    body, etag = document
    headers = [*CORS, *SAFE, ("ETag", f'"{etag}"'), ("Cache-Control", f"public, max-age={age}")]
    if request.if_none_match.contains_weak(etag):
        return Response(status=304, headers=headers)
    return Response(body, 200, headers, content_type="application/json")
