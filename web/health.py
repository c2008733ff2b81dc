"""Liveness and readiness."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify

from infrastructure.bootstrap import App
from web.oauth.answers import SAFE, Answer

blueprint = Blueprint("health", __name__)
ALIVE = Answer(200, [("Content-Type", "application/json"), *SAFE], b'{"status":"ok"}\n')
"""The process answers. Nothing is asked for it, so that no thread is needed, which all may wait for a silent database."""


@blueprint.get("/healthz")
def healthz() -> Response:
    """`ALIVE` for whoever came past the front."""
    return Response(ALIVE.body, ALIVE.status, ALIVE.headers)


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Whether requests may be sent here: 200 or 503, with what was found."""
    app: App = current_app.extensions["grantbook"]
    found = app.status()
    return jsonify(found.as_json()), 200 if found.ready else 503
