"""Takes all pages into a Flask app: blueprints, filters, error pages, the form cookie and the headers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import cache

from flask import Blueprint, Flask
from flask_wtf.csrf import generate_csrf

from domain.tokens import derive
from web.pages import (
    access_urls,
    audit,
    connected_apps,
    consent,
    environment,
    erasure,
    erasure_holds,
    errors,
    explain,
    headers,
    integrations,
    keys,
    ledger,
    members,
    members_access,
    members_deeds,
    overview,
    policy,
    projects,
    replay,
    resources,
    scopes,
    sessions,
    setup,
    setup_next,
    setup_steps,
    sign_in,
    sign_ins,
    sso,
)
from web.pages.readable import refuse_unreadable
from web.sso import routes as sso_routes

_COOKIE = "gb_form"


@cache
def blueprints() -> tuple[Blueprint, ...]:
    """The blueprints with the settings' pages nested in one, made once: a process may make several apps of them."""
    settings = Blueprint("settings", __name__, url_prefix="/settings")
    for module in (
        overview,
        integrations,
        sessions,
        audit,
        replay,
        ledger,
        explain,
        access_urls,
        sso,
        setup_next,
        policy,
        keys,
        resources,
        scopes,
        members,
        members_access,
        members_deeds,
        erasure,
        erasure_holds,
        projects,
    ):
        settings.register_blueprint(module.blueprint)
    found = (
        settings,
        sign_in.blueprint,
        setup.blueprint,
        setup_steps.blueprint,
        consent.blueprint,
        connected_apps.blueprint,
        sign_ins.blueprint,
        sso_routes.blueprint,
    )
    for blueprint in found:
        blueprint.before_request(refuse_unreadable)
        blueprint.after_request(headers.apply)
    return found


def register(app: Flask, *, secret_keys: tuple[bytes, ...], secure: bool, now: Callable[[], datetime]) -> None:
    """`secret_keys`: root keys, newest first. The signed cookie holds the form token and the next page's notices, never who is signed in."""
    signing = [hashlib.sha256(derive(key, "grantbook form cookie v1")).hexdigest() for key in secret_keys]
    app.config.update(
        SECRET_KEY=signing[0],
        SECRET_KEY_FALLBACKS=signing[1:],
        SESSION_COOKIE_NAME=f"__Host-{_COOKIE}" if secure else _COOKIE,
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        WTF_CSRF_TIME_LIMIT=None,
    )
    environment.install(app, now)
    app.jinja_env.globals["csrf_token"] = generate_csrf
    for blueprint in blueprints():
        app.register_blueprint(blueprint)
    errors.install(app)
