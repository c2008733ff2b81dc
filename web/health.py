"""Liveness and readiness."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify

from infrastructure.bootstrap import App

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Whether requests may be sent here: 200 or 503, with what was found."""
    app: App = current_app.extensions["grantbook"]
    found = app.status()
    return jsonify(found.as_json()), 200 if found.ready else 503
