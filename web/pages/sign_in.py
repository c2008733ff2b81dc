"""Signing in and out, and the start page."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from application import sign_in as use_case
from application.begin_authorization import pending
from domain.auth_provider import in_force
from domain.client import Client
from domain.member import Member
from web.pages import context, csrf, known_browsers, session
from web.pages.account_models import SignInView
from web.pages.errors import start_page_url
from web.pages.formatting import duration
from web.pages.frame import account_page

blueprint = Blueprint("sign_in", __name__)

_WRONG: Final = "Email or password is not right."
_AGAIN: Final = "Sign in again to go on. What you are about to do needs a sign-in of the last hour."


@blueprint.get("/")
def start() -> Response:
    return redirect(start_page_url() if session.current_member() else url_for("sign_in.show"), 303)


@blueprint.get("/sign-in")
def show() -> Response:
    wanted = session.local_path(request.args.get("next", ""))
    again = "again" in request.args
    if session.current_member() and not again:
        return redirect(wanted or start_page_url(), 303)
    return form_page(wanted, problem=_AGAIN if again else "", again=again)


@blueprint.post("/sign-in")
def submit() -> Response:
    wanted = session.local_path(request.form.get("next", ""))
    email = request.form.get("email", "")[:254]
    try:
        csrf.check()
    except csrf.StaleForm:
        return form_page(wanted, email=email, problem="This page is out of date, nothing was changed. Sign in again.", status=400)
    password, shown = request.form.get("password", ""), known_browsers.shown()
    outcome = use_case.sign_in_with_password(context.services(), context.account_id(), email, password, context.origin(), known_browsers=shown)
    if isinstance(outcome, use_case.SignInRefused):
        return _refused(wanted, email, outcome)
    response = redirect(wanted or start_of(outcome.member), 303)
    session.set_cookie(response, outcome.session_secret)
    known_browsers.remember(response, email)
    return response


def start_of(member: Member) -> str:
    """Where this person starts, before the answer has set the cookie."""
    sees_settings = member.holds("account.read") and member.holds("audit.read")
    return url_for("settings.overview.show" if sees_settings else "connected_apps.list")


def _refused(wanted: str, email: str, outcome: use_case.SignInRefused) -> Response:
    if outcome.retry_after is not None:
        return too_often(wanted, outcome.retry_after, email=email)
    problem = f"Your account signs in with {context.account().name} SSO." if outcome.sso_only else _WRONG
    return form_page(wanted, email=email, problem=problem, status=401)


def too_often(wanted: str, retry_after: int, *, email: str = "") -> Response:
    problem = f"Too many tries. Signing in opens again in {duration(retry_after)}."
    response = form_page(wanted, email=email, problem=problem, status=429)
    response.headers["Retry-After"] = str(retry_after)
    return response


def form_page(wanted: str, *, email: str = "", problem: str = "", status: int = 200, again: bool = False) -> Response:
    """The form, with the way to single sign-on beside it where the account has it."""
    sso_url = url_for("sso.start", next=wanted or None, again="1" if again else None) if in_force(context.account()) else ""
    view = SignInView(host=request.host, next=wanted, email=email, problem=problem, asking_app=_asking_app(wanted), sso_url=sso_url)
    return make_response(account_page("account/sign_in.html", None, "Sign in", view=view), status)


def _asking_app(wanted: str) -> str:
    """The name of the app whose request waits behind the sign-in, if one does."""
    parts = urlsplit(wanted)
    request_id = parse_qs(parts.query).get("request", [""])[0]
    if parts.path != url_for("consent.show") or not request_id:
        return ""
    waiting = pending(context.services(), context.account_id(), request_id)
    client = context.services().store.load(Client, UUID(waiting.client_stream)) if waiting else None
    return client.name if client else ""


@blueprint.get("/sign-out")
@session.for_everyone
def ask_to_sign_out() -> str:
    """Signing out changes something, so a link only asks."""
    with context.views() as conn:
        return account_page("account/sign_out.html", conn, "Sign out", next=session.local_path(request.args.get("next", "")))


@blueprint.post("/sign-out")
def sign_out() -> Response:
    csrf.check()
    person = session.current_member()
    if person:
        use_case.end(context.services(), person.account_id, person.id_hash, context.origin())
    wanted = session.local_path(request.form.get("next", ""))
    response = redirect(wanted or url_for("sign_in.show"), 303)
    session.clear_cookie(response)
    return response
