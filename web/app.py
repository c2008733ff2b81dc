"""The web application: one Flask app of all blueprints, and the WSGI application that the workers serve."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, g, jsonify, request

from application.ports import Busy
from infrastructure.bootstrap import App, bootstrap
from infrastructure.database import ConnectionLost, DatabaseUnavailable, ViewsMissing
from infrastructure.logs import configure_logs
from infrastructure.taking_part import take_part
from web import health, hosts, wellknown
from web.access_log import REQUEST_ID
from web.api import registry as api
from web.front import Front
from web.ledger import routes as ledger
from web.oauth import routes as oauth
from web.pages import errors as pages
from web.pages import registry
from web.scim import routes as scim
from web.served import Wsgi, served

MAX_BODY = 256 * 1024
_STATIC_LIFE = 365 * 24 * 3600
_YEAR_OF_TLS = "max-age=31536000"


def application() -> tuple[App, Wsgi]:
    """The process of a worker, and what it serves: the Flask app behind the front, proxies and the access log."""
    app = bootstrap()
    configure_logs(app.settings.log)
    take_part("web", app)
    return app, wrapped(app, create_app(app))


def create_app(app: App | None = None) -> Flask:
    """The Flask app; `app.extensions["grantbook"]` is the composed process."""
    app = app or bootstrap()
    secure = app.settings.base_url.startswith("https://")
    flask = Flask("web")
    flask.config.update(MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=MAX_BODY, SEND_FILE_MAX_AGE_DEFAULT=_STATIC_LIFE)
    flask.extensions["grantbook"] = app
    flask.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    registry.register(flask, secret_keys=app.settings.secret_keys, secure=secure, now=app.services.clock)
    for blueprint in (health.blueprint, wellknown.blueprint, oauth.blueprint, scim.blueprint, ledger.blueprint):
        flask.register_blueprint(blueprint)
    api.register(flask, pages.http_error)
    flask.before_request(_name_request)
    hosts.install(flask, app)
    flask.after_request(_secured if secure else _plain)
    flask.register_error_handler(ConnectionLost, _database_gone)
    flask.register_error_handler(DatabaseUnavailable, _database_gone)
    flask.register_error_handler(ViewsMissing, _database_gone)
    return flask


def wrapped(app: App, flask: Flask) -> Wsgi:
    """The Flask app as it is served."""
    return served(app.settings, Front(app, flask), "web")


def _name_request() -> None:
    g.request_id = request.environ.get(REQUEST_ID, "")


def _plain(response: Response) -> Response:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    return response


def _secured(response: Response) -> Response:
    response.headers.setdefault("Strict-Transport-Security", _YEAR_OF_TLS)
    return _plain(response)


def _database_gone(_: Exception) -> Any:
    return _busy(Busy("The database does not answer right now.", retry_after=2))


def _busy(error: Busy) -> Any:
    if pages.is_page(request.path):
        return pages.error_page(503, "The server is busy.", advice="Try again in a moment.", retry_after=error.retry_after)
    response = jsonify(error="temporarily_unavailable", error_description=str(error))
    return response, 503, {"Retry-After": str(error.retry_after), "Cache-Control": "no-store"}
