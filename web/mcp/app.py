"""The gateway's WSGI application, in processes and on a port of its own: eight slow calls must never hold up the token endpoint."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, Response, current_app, request

from application import introspect_token, record_action
from application.ports import Busy
from application.services import Origin
from domain.account import Account, Resource
from infrastructure.bootstrap import App, bootstrap
from web import wellknown
from web.mcp import challenges, gateway, messages, origins
from web.mcp.upstream import Upstreams

if TYPE_CHECKING:
    from werkzeug.datastructures import Headers

blueprint = Blueprint("mcp", __name__)
METHODS = ["POST", "GET", "DELETE", "OPTIONS"]


def application() -> Flask:
    """The application that granian serves on the gateway's port."""
    return create_gateway(bootstrap())


def create_gateway(app: App) -> Flask:
    """Every path that is the path of a registered resource with an upstream; discovery and health beside it."""
    flask = Flask(__name__, static_folder=None, template_folder=None)
    flask.config["MAX_CONTENT_LENGTH"] = messages.MAX_BODY
    flask.extensions["grantbook"] = app
    flask.extensions["grantbook.upstreams"] = Upstreams()
    flask.register_blueprint(wellknown.blueprint)
    flask.register_blueprint(blueprint)
    flask.register_error_handler(Busy, _busy)
    flask.register_error_handler(413, lambda _: _refused(413, "The message is too large: 4 MB at most."))
    flask.register_error_handler(500, lambda _: _refused(500, "Something went wrong here. The call may not have been carried out."))
    return flask


@blueprint.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@blueprint.route("/<path:path>", methods=METHODS)
def call(path: str) -> Response:
    """One request to a protected resource: host and origin, token, then what it asks for."""
    app: App = current_app.extensions["grantbook"]
    origin = request.headers.get("Origin")
    if request.method == "OPTIONS":
        return origins.preflight(origin)
    account_id = app.directory.account_for(request.host)
    account = app.services.store.load(Account, app.directory.stream(account_id)) if account_id else None
    resource = _resource(account, path)
    if account is None or account_id is None or resource is None:
        return _refused(404, "There is no protected resource at this address.")
    if not origins.host_allowed(request, resource.identifier):
        return _refused(421, "This host name is not served here.")
    return origins.with_cors(_judged(app, account, account_id, resource, origin), origin)


def _judged(app: App, account: Account, account_id: str, resource: Resource, origin: str | None) -> Response:
    token = _bearer(request.headers)
    if token is None:
        return challenges.unauthorized(resource, account)
    parts = _parts(app, account_id, resource)
    judged = parts.judge(token)
    if judged is None:
        return challenges.unauthorized(resource, account, "invalid_token", "The access token is not valid (any more).")
    if not origins.origin_allowed(origin, resource.identifier, judged.standing.client.redirect_uris):
        return _refused(403, "Pages of this origin may not use this connection.")
    if request.method == "GET":
        response = _refused(405, "There is no stream to open here. POST a message.")
        response.headers["Allow"] = "POST, DELETE, OPTIONS"
        return response
    return gateway.handle(parts, request, resource, judged, token)


def _parts(app: App, account_id: str, resource: Resource) -> gateway.Parts:
    services = app.services
    origin = Origin("mcp", request.remote_addr, request.user_agent.string or None)

    def judge(token: str) -> gateway.Judged | None:
        found = introspect_token.judge(services, account_id, token, services.clock())
        return found if found is not None and found.claims["aud"] == resource.identifier else None

    def record(judged: gateway.Judged, operation: str, scope: str, projects: tuple[str, ...], outcome: Any, detail: str | None) -> None:
        grant = judged.standing.grant
        record_action.record(
            services, account_id, member_id=grant.member_id, client_stream=grant.for_client, client_id=grant.client_id, grant_id=str(grant.id),
            resource=resource.identifier, operation=operation, scope=scope, projects=projects, outcome=outcome, detail=detail, origin=origin,
        )  # fmt: skip

    return gateway.Parts(
        issuer=services.issuer,
        judge=judge,
        sign=lambda claims: services.access_tokens.assertion(account_id, claims, services.clock()),
        record=record,
        session_table=services.store.tables(),
        clock=services.clock,
        new_id=lambda: secrets.token_urlsafe(24),
        upstreams=current_app.extensions["grantbook.upstreams"],
    )


def _resource(account: Account | None, path: str) -> Resource | None:
    """The resource with an upstream whose identifier has this path."""
    if account is None:
        return None
    return next((r for r in account.resources.values() if r.upstream and challenges.path_of(r.identifier) == f"/{path}"), None)


def _bearer(headers: Headers) -> str | None:
    """The token of the Authorization header; never one in a query string (OAuth 2.1 5.1)."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _busy(error: Busy) -> Response:
    response = _refused(503, "The server is busy. Nothing was decided; try again.")
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _refused(status: int, text: str) -> Response:
    return gateway.json_answer(messages.error_body(messages.INVALID_REQUEST, text), status)
