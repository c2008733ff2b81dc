"""Discovery: authorization server metadata (RFC 8414), protected resource metadata (RFC 9728) and keys (RFC 7517), from memory."""

from __future__ import annotations

import hashlib
import time
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from flask import Blueprint, current_app, request
from werkzeug.http import parse_etags
from werkzeug.wrappers import Response

from application.register_client import dynamic_scopes
from application.services import Services
from domain.account import Account, Resource
from domain.client import LOOPBACK_HOSTS
from domain.scopes import OFFLINE_ACCESS
from infrastructure.bootstrap import App
from web.oauth.answers import CORS, PREFLIGHT, SAFE, Answer, lines_of
from web.oauth.errors import error_json

blueprint = Blueprint("wellknown", __name__, url_prefix="/.well-known")
KEPT_SECONDS = 5.0
METADATA_AGE = 60
KEYS_AGE = 30  # with the workers' 30 s no longer than a key is published before it signs
_NAMES = _SERVER, _KEYS, _RESOURCE = "oauth-authorization-server", "jwks.json", "oauth-protected-resource"


class Documents:
    """The documents of one process, each made anew every few seconds."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._kept: dict[tuple[str, str, str], tuple[float, Answer, str]] = {}

    def answer(self, host: str, path: str, if_none_match: str | None) -> Answer | None:
        """The answer for a path below `/.well-known/`; None if there is no such document."""
        account_id = self._app.directory.account_for(host)
        if account_id is None:
            return None if self._app.directory.by_host or path.partition("/")[0] not in _NAMES else _not_set_up()
        path, services = path.rstrip("/"), self._app.directory.services_of(account_id)
        elsewhere = _elsewhere(services, host) if path.startswith(_RESOURCE) else ""
        kept = self._kept.get((account_id, path, elsewhere))
        if kept is None or time.monotonic() - kept[0] >= KEPT_SECONDS:
            found = self._made(services, account_id, path, elsewhere)
            if found is None:
                return None
            kept, place = found
            self._kept[account_id, path, place] = kept
        _, answer, etag = kept
        if if_none_match is not None and parse_etags(if_none_match).contains_weak(etag):
            return Answer(304, [h for h in answer.headers if h[0] != "Content-Type"], b"")
        return answer

    @staticmethod
    def _made(services: Services, account_id: str, path: str, elsewhere: str) -> tuple[tuple[float, Answer, str], str] | None:
        """The document, and the other host that it is kept for: only one that a resource has, whatever is asked for."""
        account = services.store.load(Account, UUID(account_id))
        payload = None if account is None else _payload(services, account, path, elsewhere)
        if payload is None:
            return None
        body = msgspec.json.encode(payload)
        etag = hashlib.sha256(body).hexdigest()[:32]
        age = KEYS_AGE if path == _KEYS else METADATA_AGE
        headers = [("Content-Type", "application/json"), *CORS, *SAFE, ("ETag", f'"{etag}"'), ("Cache-Control", f"public, max-age={age}")]
        place = elsewhere if elsewhere and urlsplit(payload.get("resource", "")).netloc == elsewhere else ""
        return (time.monotonic(), Answer(200, headers, body, lines_of(headers)), etag), place


@blueprint.route(f"/{_SERVER}", methods=["GET", "OPTIONS"])
@blueprint.route(f"/{_KEYS}", methods=["GET", "OPTIONS"])
@blueprint.route(f"/{_RESOURCE}", methods=["GET", "OPTIONS"])
@blueprint.route(f"/{_RESOURCE}/", methods=["GET", "OPTIONS"])
@blueprint.route(f"/{_RESOURCE}/<path:path>", methods=["GET", "OPTIONS"])
def document(path: str = "") -> Response:  # noqa: ARG001 - the whole path counts
    """Discovery for whoever came past the front."""
    if request.method == "OPTIONS":
        return Response(status=204, headers=PREFLIGHT)
    documents: Documents = current_app.extensions.setdefault("grantbook.documents", Documents(current_app.extensions["grantbook"]))
    answer = documents.answer(request.host, request.path.removeprefix("/.well-known/"), request.headers.get("If-None-Match"))
    if answer is None:
        return Response(b'{"error":"not_found"}', 404, [*CORS, *SAFE, ("Cache-Control", "no-store")], content_type="application/json")
    response = Response(answer.body, answer.status)
    del response.headers["Content-Type"]
    response.headers.extend(answer.headers)
    return response


def _not_set_up() -> Answer:
    """As the token endpoint says it, and what the pages tell a stranger about the way out."""
    told = "Nothing is set up here yet: open the one-time set-up link that the server printed when it started, or run grantbook init."
    return error_json(503, "temporarily_unavailable", told, [])


def _payload(services: Services, account: Account, path: str, elsewhere: str) -> dict[str, Any] | None:
    name, _, rest = path.partition("/")
    if name == _RESOURCE:
        return resource_metadata(services, account, rest, elsewhere)
    if path == _SERVER:
        return server_metadata(services, account)
    return services.access_tokens.jwks(str(account.id)) if path == _KEYS else None


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


def resource_metadata(services: Services, account: Account, path: str, elsewhere: str = "") -> dict[str, Any] | None:
    """RFC 9728 2 for the resource at this path, without `offline_access`, which is no resource's; None if there is none."""
    resource = _resource(services, account, path, elsewhere)
    if resource is None:
        return None
    allowed = dynamic_scopes(account)
    return {
        "resource": resource.identifier,
        "authorization_servers": [services.issuer],
        "scopes_supported": [s for s in resource.scopes if s in allowed and s != OFFLINE_ACCESS],
        "bearer_methods_supported": ["header"],
        "resource_name": f"{account.name} {'MCP' if resource.upstream or resource.identifier == services.mcp_url else 'API'}",
    }


def _elsewhere(services: Services, host: str) -> str:
    """The host, if it is none of this server's own: the gateway may serve resources under more names."""
    own = {urlsplit(url).netloc for url in (services.issuer, services.mcp_url, services.api_url)}
    name = host.lower()
    return "" if name in own or name.rsplit(":", 1)[0].strip("[]") in LOOPBACK_HOSTS else name


def _resource(services: Services, account: Account, path: str, elsewhere: str) -> Resource | None:
    """The resource at this path of the other host, if the gateway serves one there; else of our own."""
    own = {urlsplit(url).netloc for url in (services.issuer, services.mcp_url, services.api_url)}
    ours: Resource | None = None if path else account.resources.get(services.mcp_url)
    for identifier, resource in account.resources.items():
        parts = urlsplit(identifier)
        if parts.path.strip("/") == path:
            if resource.upstream and parts.netloc == elsewhere:
                return resource
            if ours is None and parts.netloc in own:
                ours = resource
    return ours
