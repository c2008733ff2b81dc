"""Takes the API into the Flask app: its blueprints, its description, the page that shows it, and its errors where no blueprint is reached."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec
from flask import Blueprint, Flask, current_app, request
from flask_smorest import Api
from flask_smorest import Blueprint as SmorestBlueprint
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from web import hosts
from web.api import (
    account,
    audit,
    consents,
    docs,
    erasure,
    integrations,
    ledger,
    members,
    openapi,
    past,
    policies,
    preconditions,
    problems,
    questions,
    resources,
    scopes,
    sessions,
    usage,
)
from web.api.context import PREFIX
from web.schemas.common import Problem

_VERSION = "1"
_DESCRIPTIONS = 20
"""As many are remembered; further ones are made anew each time."""
_MODULES = (account, integrations, usage, sessions, consents, members, erasure, policies, scopes, resources, past, questions, audit, ledger)
_DESCRIPTION = (
    """Everything that the pages can do. Call it with an access token whose resource is this API; the page /api/docs says how to get one."""
)


class Described(Api):
    """flask-smorest's API with our errors in the place of its own; what it describes is put together when somebody reads it."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, app: Flask) -> None:
        self._undescribed: list[SmorestBlueprint] = []
        self._describing = threading.Lock()
        super().__init__(app)

    def register_blueprint(self, blp: SmorestBlueprint, **_: Any) -> None:
        """Serve it; few processes are ever asked for its description."""
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blp.name] = self
        self._app.register_blueprint(blp)
        self._undescribed.append(blp)

    def described(self) -> dict[str, Any]:
        """What flask-smorest knows of every blueprint."""
        with self._describing:
            while self._undescribed:
                blueprint = self._undescribed[0]
                blueprint.register_views_in_doc(self, self._app, self.spec, name=blueprint.name, parameters=None)
                self.spec.tag({"name": blueprint.name, "description": blueprint.description})
                del self._undescribed[0]
            return dict(self.spec.to_dict())

    def _register_error_handlers(self) -> None:
        """Each blueprint answers its own."""

    def _register_doc_blueprint(self) -> None:
        """The description is served by `documents`, completed."""


documents = Blueprint("api_documents", __name__, url_prefix=PREFIX)


@documents.get("/openapi.json")
def description() -> Response:
    """The description, made at its first reading."""
    spec = document()
    response = Response(msgspec.json.encode(spec), content_type="application/json")
    response.headers["Cache-Control"] = "public, max-age=300"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.set_etag(preconditions.tag(spec))
    return response.make_conditional(request)


def document() -> dict[str, Any]:
    """The whole description of the API, made once for each account's names."""
    kept: dict[str, dict[str, Any]] = current_app.extensions.setdefault("grantbook.openapi", {})
    issuer = hosts.services().issuer
    found = kept.get(issuer)
    if found is None:
        described: Described = current_app.extensions["grantbook.api"]
        found = openapi.finished(described.described(), issuer)
        if len(kept) < _DESCRIPTIONS:
            kept[issuer] = found
    return found


def register(app: Flask, otherwise: Callable[[HTTPException], Any]) -> None:
    """`otherwise` answers HTTP errors of paths that aren't the API's."""
    app.config.update(API_TITLE="Grantbook", API_VERSION=_VERSION, OPENAPI_VERSION="3.1.0")
    app.config["API_SPEC_OPTIONS"] = {"info": {"description": _DESCRIPTION}}
    api = Described(app)
    api.spec.components.schema("Problem", schema=Problem)
    for module in _MODULES:
        api.register_blueprint(module.blueprint)
    app.extensions["grantbook.api"] = api
    app.register_blueprint(documents)
    app.register_blueprint(docs.blueprint)

    def by_path(error: HTTPException) -> Any:
        return problems.answer(error) if is_api(request.path) else otherwise(error)

    app.register_error_handler(HTTPException, by_path)


def is_api(path: str) -> bool:
    return path == PREFIX or path.startswith(f"{PREFIX}/")
