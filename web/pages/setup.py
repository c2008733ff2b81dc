"""First-run set-up by the one-time link: opens the account, makes the first admin and signs them in."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from application import open_account, password_rules, sign_in
from domain.errors import DomainError
from web.pages import context, csrf, session
from web.pages.account_models import ErrorView, SetupView
from web.pages.models import Page

blueprint = Blueprint("setup", __name__)

_FIELDS: Final = {"account_name": "Give the account a name.", "name": "Tell us your name.", "email": "Tell us your email."}
_SIMPLE_ERRORS: Final = "account"


@blueprint.get("/setup")
def show() -> Response:
    token = request.args.get("token", "")
    if not _valid(token):
        return _used_link()
    return _form(SetupView(token=token, minimum_password=password_rules.SHORTEST))


@blueprint.post("/setup")
def submit() -> Response:
    form = request.form
    token = form.get("token", "")
    if not _valid(token):
        return _used_link()
    try:
        csrf.check()
    except csrf.StaleForm:
        return _form(_typed(token, {"account_name": csrf.STALE}), 400)
    missing = {name: words for name, words in _FIELDS.items() if not form.get(name, "").strip()}
    if missing:
        return _form(_typed(token, missing), 400)
    services, password = context.services(), form.get("password", "")
    try:
        opened = open_account.open_account(
            services,
            slug=form.get("account", ""),
            name=form.get("account_name", "")[:100],
            admin_email=form.get("email", ""),
            admin_name=form.get("name", "")[:100],
            password=password,
            origin=context.origin(),
            setup_token=token,
        )
    except DomainError as error:
        return _form(_typed(token, {error.field or _SIMPLE_ERRORS: error.message}), 400)
    response = redirect(url_for("settings.integrations.list"), 303)
    outcome = sign_in.sign_in_with_password(services, str(opened.account.id), form.get("email", ""), password, context.origin())
    if isinstance(outcome, sign_in.SignedIn):
        session.set_cookie(response, outcome.session_secret)
    return response


def _valid(token: str) -> bool:
    return 0 < len(token) <= 200 and open_account.setup_link_valid(context.services(), token)


def _typed(token: str, errors: dict[str, str]) -> SetupView:
    form = request.form
    return SetupView(
        token=token,
        account_name=form.get("account_name", ""),
        slug=form.get("account", ""),
        name=form.get("name", ""),
        email=form.get("email", ""),
        minimum_password=password_rules.SHORTEST,
        errors=errors,
    )


def _form(view: SetupView, status: int = 200) -> Response:
    page = Page(titles=("Set up",))
    return make_response(render_template("account/setup.html", page=page, platform="Grantbook", view=view), status)


def _used_link() -> Response:
    view = ErrorView(
        status=404,
        heading="This set-up link can't be used.",
        changed="",
        advice="It was used, has expired, or is not one of ours. Start the server again on an empty store for a new one, or sign in.",
        request_id=context.request_id(),
        back_url=url_for("sign_in.show"),
        back_words="Sign in",
    )
    page = Page(titles=(view.heading.rstrip("."),), error=True)
    return make_response(render_template("errors/center.html", page=page, platform="Grantbook", view=view), 404)
