"""First run, steps 1 and 2 of 4, by the one-time link: the account and its first admin, opened together and signed in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask import session as form_cookie
from werkzeug.wrappers import Response

from application import open_account, password_rules, sign_in
from domain.errors import DomainError
from web.pages import context, csrf, known_browsers, session
from web.pages.account_models import ErrorView
from web.pages.deeds import done
from web.pages.models import Page
from web.pages.setup_models import AccountStep, AdminStep

blueprint = Blueprint("setup", __name__)

_DRAFT: Final = "setup"
"""Where the form cookie holds what was typed in the steps so far; never a password."""
_ACCOUNT: Final = ("account_name", "account")
_ADMIN: Final = ("name", "email")
_LONGEST: Final = 254
_MISSING: Final = {"account_name": "Give the account a name.", "name": "Tell us your name.", "email": "Tell us your email."}


# ---- step 1: the account


@blueprint.get("/setup")
def show() -> Response:
    token = request.args.get("token", "")
    return _by_link(token, lambda: _account_page(token, _draft()))


@blueprint.post("/setup")
def submit() -> Response:
    """Nothing is recorded yet: what was typed waits in the form's cookie for step 2."""
    token, typed = request.form.get("token", ""), _typed(_ACCOUNT)
    if not _valid(token):
        return _used_link()
    try:
        csrf.check()
    except csrf.StaleForm:
        return _account_page(token, typed, {"account_name": csrf.STALE})
    errors = _missing("account_name", typed)
    try:
        typed["account"] = open_account.checked_slug(typed["account"] or _suggested(typed["account_name"]))
    except DomainError as error:
        errors |= {"account": error.message} if typed["account"] or not errors else {}
    if errors:
        return _account_page(token, typed, errors)
    form_cookie[_DRAFT] = _draft() | typed
    return redirect(url_for("setup.admin", token=token), 303)


def _suggested(name: str) -> str:
    """A short name made of the long one: `Jaffle Analytics` becomes `jaffle-analytics`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:40].strip("-")


def _account_page(token: str, typed: dict[str, str], errors: dict[str, str] | None = None) -> Response:
    view = AccountStep(token=token, account_name=typed.get("account_name", ""), slug=typed.get("account", ""), errors=errors or {})
    return _page("account", view, "Set up", bool(errors))


# ---- step 2: its first admin


@blueprint.get("/setup/admin")
def admin() -> Response:
    token = request.args.get("token", "")
    return _by_link(token, lambda: _admin_page(token, _draft()) if _draft().get("account") else _back_to_account(token))


@blueprint.post("/setup/admin")
def submit_admin() -> Response:
    token, typed = request.form.get("token", ""), _draft() | _typed(_ADMIN)
    if not _valid(token):
        return _used_link()
    try:
        csrf.check()
    except csrf.StaleForm:
        return _admin_page(token, typed, {"name": csrf.STALE})
    form_cookie[_DRAFT] = typed
    if request.form.get("go") == "back" or not typed.get("account"):
        return _back_to_account(token)
    errors = _missing("name", typed) | _missing("email", typed)
    return _admin_page(token, typed, errors) if errors else _opened(token, typed, request.form.get("password", ""))


def _opened(token: str, typed: dict[str, str], password: str) -> Response:
    services = context.services()
    try:
        opened = open_account.open_account(
            services,
            slug=typed["account"],
            name=typed["account_name"],
            admin_email=typed["email"],
            admin_name=typed["name"],
            password=password,
            origin=context.origin(),
            setup_token=token,
        )
    except DomainError as error:
        return _admin_page(token, typed, {error.field or "account": error.message})
    response = redirect(url_for("setup_steps.resource"), 303)
    outcome = sign_in.sign_in_with_password(services, str(opened.account.id), typed["email"], password, context.origin())
    if isinstance(outcome, sign_in.SignedIn):
        session.set_cookie(response, outcome.session_secret)
        known_browsers.remember(response, typed["email"])
    done(opened.recorded, f"{opened.account.name} is open.", "You are its first admin, and signed in.")
    return response


def _admin_page(token: str, typed: dict[str, str], errors: dict[str, str] | None = None) -> Response:
    view = AdminStep(
        token=token,
        account_name=typed.get("account_name", ""),
        slug=typed.get("account", ""),
        name=typed.get("name", ""),
        email=typed.get("email", ""),
        minimum_password=password_rules.SHORTEST,
        errors=errors or {},
    )
    return _page("admin", view, "Set up", bool(errors))


# ---- what both share


def _by_link(token: str, page: Callable[[], Response]) -> Response:
    """The page for a link that is good; its admin, who comes back by a used one, goes on where the account stands."""
    if _valid(token):
        return page()
    if context.grantbook().directory.account_for(request.host) is not None:
        person = session.current_member()
        if person is not None and person.may_manage:
            return redirect(url_for("setup_steps.resource"), 303)
    return _used_link()


def _valid(token: str) -> bool:
    """A link never opens a further account beside this host's."""
    several = context.grantbook().directory.by_host
    return not several and 0 < len(token) <= 200 and open_account.setup_link_valid(context.services(), token)


def _draft() -> dict[str, str]:
    return dict(form_cookie.get(_DRAFT) or {})


def _typed(names: tuple[str, ...]) -> dict[str, str]:
    return {name: request.form.get(name, "").strip()[: 100 if "name" in name else _LONGEST] for name in names}


def _missing(name: str, typed: dict[str, str]) -> dict[str, str]:
    return {} if typed.get(name) else {name: _MISSING[name]}


def _back_to_account(token: str) -> Response:
    return redirect(url_for("setup.show", token=token), 303)


def _page(step: str, view: Any, title: str, wrong: bool) -> Response:  # noqa: FBT001  # which status
    page = Page(titles=(f"{title}, step {view.number} of 4",), error=wrong)
    return make_response(render_template(f"setup/{step}.html", page=page, platform="Grantbook", view=view), 400 if wrong else 200)


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
