"""Flask's routes of the OAuth endpoints; each calls the plain function that does the work."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response

from application.services import Origin, Services
from infrastructure.bootstrap import App
from web.oauth.answers import PREFLIGHT, Answer, empty, method_not_allowed
from web.oauth.authorize import authorization_response
from web.oauth.errors import error_json
from web.oauth.forms import LARGEST, is_form
from web.oauth.introspect import introspection_answer
from web.oauth.register import registration_answer
from web.oauth.revoke import revocation_answer
from web.oauth.token import token_answer

blueprint = Blueprint("oauth", __name__, url_prefix="/oauth")
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Work = Callable[[Services, str, bytes], Answer]


@blueprint.route("/authorize", methods=["GET", "POST"])
def authorize() -> Response:
    app: App = current_app.extensions["grantbook"]
    account_id = app.directory.account_for(request.host)
    if account_id is None:
        return _response(_not_set_up())
    raw = request.query_string if request.method == "GET" else _body()
    services = app.directory.services_of(account_id)
    return authorization_response(services, account_id, raw if raw is not None else b"x" * (LARGEST + 1), _origin())


@blueprint.route("/token", methods=_METHODS)
def token() -> Response:
    return _form_endpoint(lambda services, account_id, body: token_answer(services, account_id, body, request.headers, _origin()))


@blueprint.route("/revoke", methods=_METHODS)
def revoke() -> Response:
    return _form_endpoint(lambda services, account_id, body: revocation_answer(services, account_id, body, request.headers, _origin()))


@blueprint.route("/introspect", methods=_METHODS)
def introspect() -> Response:
    return _form_endpoint(lambda services, account_id, body: introspection_answer(services, account_id, body, request.headers))


@blueprint.route("/register", methods=_METHODS)
def register() -> Response:
    return _endpoint(
        lambda services, account_id, body: registration_answer(services, account_id, body, request.headers.get("Content-Type", ""), _origin())
    )


def _form_endpoint(work: Work) -> Response:
    if request.method == "POST" and not is_form(request.headers.get("Content-Type", "")):
        return _response(error_json(400, "invalid_request", "The body must be application/x-www-form-urlencoded.", []))
    return _endpoint(work)


def _endpoint(work: Work) -> Response:
    if request.method == "OPTIONS":
        return _response(empty(204, PREFLIGHT, cors=False))
    if request.method != "POST":
        return _response(method_not_allowed("POST"))
    app: App = current_app.extensions["grantbook"]
    account_id = app.directory.account_for(request.host)
    if account_id is None:
        return _response(_not_set_up())
    body = _body()
    if body is None:
        return _response(error_json(413, "invalid_request", f"The request has more than {LARGEST} bytes.", []))
    return _response(work(app.directory.services_of(account_id), account_id, body))


def _body() -> bytes | None:
    """The raw body; None if it is too large."""
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        return None
    return body if len(body) <= LARGEST else None


def _not_set_up() -> Answer:
    return error_json(503, "temporarily_unavailable", "Nothing is set up here yet.", [])


def _origin() -> Origin:
    return Origin("oauth", request.remote_addr, request.headers.get("User-Agent"))


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    del response.headers["Content-Type"]
    response.headers.extend(answer.headers)
    return response
