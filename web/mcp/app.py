"""The gateway's Flask application, in processes and on a port of its own: eight slow calls must never hold up the token endpoint."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from application.ports import Busy
from domain.account import Account, Resource
from infrastructure.bootstrap import App
from infrastructure.database import ConnectionLost, DatabaseUnavailable
from web import wellknown
from web.mcp import answers, challenges, gateway, messages, origins
from web.mcp.outcomes import Unrecorded
from web.mcp.streams import RECHECK_SECONDS
from web.mcp.wiring import Wiring

blueprint = Blueprint("mcp", __name__)
METHODS = ["POST", "GET", "DELETE", "OPTIONS"]
_NOTHING_HERE = "There is no protected resource at this address."
_OTHER_HOST = "This host name is not served here."
_YEAR_OF_TLS = "max-age=31536000"
_UNNAMED = "-"
"""granian names itself where an answer names no server, and can't be told to be silent; RFC 9110 10.2.4 wants a token."""


def create_gateway(app: App, *, recheck_seconds: float = RECHECK_SECONDS) -> Flask:
    """Every path that is the path of a registered resource with an upstream; discovery and health beside it."""
    flask = Flask(__name__, static_folder=None, template_folder=None)
    flask.config["MAX_CONTENT_LENGTH"] = messages.MAX_BODY + 1  # a body in chunks is cut there, without a word
    flask.url_map.merge_slashes = False
    wiring = Wiring(app, recheck_seconds)
    flask.extensions |= {"grantbook": app, "grantbook.gateway": wiring, "grantbook.documents": wiring.documents}
    flask.register_blueprint(wellknown.blueprint)
    flask.register_blueprint(blueprint)
    flask.after_request(_dressed)
    for kind in (Busy, ConnectionLost, DatabaseUnavailable):
        flask.register_error_handler(kind, _busy)
    flask.register_error_handler(Unrecorded, _unrecorded)
    flask.register_error_handler(HTTPException, _refused_by_flask)
    return flask


@blueprint.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@blueprint.route("/", methods=METHODS, defaults={"path": ""})
@blueprint.route("/<path:path>", methods=METHODS)
def call(path: str) -> Response:
    """One request to a protected resource: host, token, origin, then what it asks for."""
    wiring: Wiring = current_app.extensions["grantbook.gateway"]
    if request.method == "OPTIONS":
        return origins.preflight(request.headers)
    account_id = wiring.account_id(request.host)
    if account_id is None and current_app.extensions["grantbook"].directory.by_host:
        return answers.refused(421, _OTHER_HOST)
    resources = [] if account_id is None else wiring.resources_at(account_id, path)
    if account_id is None or not resources:
        return answers.refused(404, _NOTHING_HERE)
    resource = next((r for r in resources if origins.host_allowed(request.host, r.identifier)), None)
    if resource is None:
        return answers.refused(421, _OTHER_HOST)
    return _judged(wiring, account_id, resource)


def _judged(wiring: Wiring, account_id: str, resource: Resource) -> Response:
    token = _bearer(request.headers.get("Authorization", ""))
    judged = None if token is None else wiring.judge(account_id, token)
    if judged is None or judged.claims["aud"] != resource.identifier:
        return _challenge(wiring.account(account_id), resource.identifier, has_token=token is not None)
    if not origins.origin_allowed(request.headers.get("Origin"), resource.identifier, judged.standing.client.redirect_uris):
        return answers.refused(403, "Pages of this origin may not use this connection.")
    if request.method == "GET":
        response = answers.refused(405, "There is no stream to open here. POST a message.")
        response.headers["Allow"] = "POST, DELETE, OPTIONS"
        return response
    # What was judged holds the newest operations and upstream; a grant never outlives its resource.
    current = judged.standing.account.resources[resource.identifier]
    return gateway.handle(wiring.parts(account_id, request.remote_addr, request.user_agent.string), request, current, judged)


def _challenge(account: Account, identifier: str, *, has_token: bool) -> Response:
    resource = account.resources.get(identifier)
    if resource is None:
        return answers.refused(404, _NOTHING_HERE)
    problem = ("invalid_token", "The access token is not valid (any more).") if has_token else (None, None)
    return challenges.unauthorized(resource, account, *problem)


def _bearer(header: str) -> str | None:
    """The token of the Authorization header; never one in a query string (OAuth 2.1 5.1)."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _dressed(response: Response) -> Response:
    response.headers["Server"] = _UNNAMED
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    if current_app.extensions["grantbook"].settings.base_url.startswith("https://"):
        response.headers.setdefault("Strict-Transport-Security", _YEAR_OF_TLS)
    return origins.with_cors(response, request.headers.get("Origin"))


def _busy(error: Exception) -> Response:
    return answers.patience(503, "The server is busy. Nothing was done; try again.", getattr(error, "retry_after", 2), None)


def _unrecorded(_: Unrecorded) -> Response:
    return answers.refused(
        503, "The call may have been carried out, but could not be recorded, so its answer is held back.", code=messages.INTERNAL_ERROR
    )


def _refused_by_flask(error: HTTPException) -> Any:
    """Whatever Flask refuses (too large, no such method, an exception of ours), in JSON and without its cause."""
    status = error.code or 500
    text = {
        404: _NOTHING_HERE,
        405: "This method is not served here.",
        413: "The message is too large: 4 MB at most.",
    }.get(status, "The request can't be read." if status < 500 else "Something went wrong here. The call may not have been carried out.")
    response = answers.refused(status, text, code=messages.INVALID_REQUEST if status < 500 else messages.INTERNAL_ERROR)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response
