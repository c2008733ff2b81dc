"""Several accounts by host name: what is handed to the use cases of this request's account, and the refusal of hosts that are no account's."""

from __future__ import annotations

from typing import Final

from flask import Flask, current_app, request
from werkzeug.wrappers import Response

from application.services import Services
from infrastructure.bootstrap import App
from web.oauth.answers import CORS, SAFE
from web.oauth.errors import error_json

NOBODY: Final = "No account is served under this host name."
_ADVICE: Final = "Check the address: the account's short name is a part of it. Whoever runs this server knows how it is written."
_EVERYWHERE: Final = frozenset({"static", "health.healthz", "health.readyz", "ledger.checkpoint", "ledger.tile"})
"""What belongs to the server and its store, not to an account."""


def services() -> Services:
    """The process's services under the names of this host's account."""
    app: App = current_app.extensions["grantbook"]
    account_id = app.directory.account_for(request.host) if app.directory.by_host else None
    return app.services if account_id is None else app.directory.services_of(account_id)


def install(flask: Flask, app: App) -> None:
    """Where accounts have hosts, nothing that is an account's is served under another name."""
    if app.directory.by_host:
        flask.before_request(refuse_unknown)


def refuse_unknown() -> Response | None:
    """404 in the form that the caller reads, and the same for every host, whether it could be an account's or not."""
    app: App = current_app.extensions["grantbook"]
    if request.endpoint in _EVERYWHERE or app.directory.account_for(request.host) is not None:
        return None
    from web.api import problems, registry  # noqa: PLC0415  # they read the services from here
    from web.pages import errors  # noqa: PLC0415
    from web.scim.answers import error  # noqa: PLC0415

    path = request.path
    if registry.is_api(path):
        return problems.answer(problems.Problem("unknown-host"))
    if path.startswith("/scim/"):
        return error(404, NOBODY)
    if path.startswith("/.well-known/"):
        return Response(b'{"error":"not_found"}', 404, [*CORS, *SAFE, ("Cache-Control", "no-store")], content_type="application/json")
    if path.startswith("/oauth/") and not errors.is_page(path):
        answer = error_json(404, "invalid_request", NOBODY, [])
        return Response(answer.body, answer.status, answer.headers)
    return errors.error_page(404, NOBODY, changed="", advice=_ADVICE, way_back=False)
