"""`/sso/start` sends the browser to the provider, `/sso/callback` takes its answer; a cookie binds the two to one browser."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from application import sso_sign_in as use_case
from web.pages import context, session
from web.pages.sign_in import form_page, start_of, too_often

blueprint = Blueprint("sso", __name__, url_prefix="/sso")

_COOKIE: Final = "gb_sso"
_SECRET_LENGTH: Final = range(20, 200)


@blueprint.get("/start")
def start() -> Response:
    wanted = session.local_path(request.args.get("next", ""))
    outcome = use_case.start(
        context.services(),
        context.grantbook().identity,
        context.account_id(),
        context.origin(),
        browser=_browser(),
        wanted=wanted,
        afresh="again" in request.args,
    )
    if isinstance(outcome, use_case.SsoRefused):
        return _refused(outcome)
    response = redirect(outcome.url, 303)
    life = int(use_case.REQUEST_LIFE.total_seconds())
    # Lax: the provider's redirect back is a navigation from another site.
    response.set_cookie(_name(), outcome.browser, max_age=life, secure=context.secure(), httponly=True, samesite="Lax", path="/")
    return response


@blueprint.get("/callback")
def callback() -> Response:
    args = request.args
    repeated = any(len(args.getlist(name)) > 1 for name in ("state", "code", "iss", "error"))
    answer = use_case.ProviderAnswer(
        state="" if repeated else args.get("state", "")[:200], code=args.get("code", ""), iss=args.get("iss"), error=args.get("error", "")
    )
    outcome = use_case.finish(context.services(), context.grantbook().identity, context.account_id(), context.origin(), answer, _browser())
    if isinstance(outcome, use_case.SsoRefused):
        return _refused(outcome)
    response = redirect(session.local_path(outcome.next) or start_of(outcome.signed_in.member), 303)
    session.set_cookie(response, outcome.signed_in.session_secret)
    return response


def _refused(outcome: use_case.SsoRefused) -> Response:
    if outcome.retry_after is not None:
        return too_often(outcome.next, outcome.retry_after)
    return form_page(outcome.next, problem=outcome.message, status=403)


def _browser() -> str | None:
    found = request.cookies.get(_name(), "")
    return found if len(found) in _SECRET_LENGTH and found.isascii() else None


def _name() -> str:
    return f"__Host-{_COOKIE}" if context.secure() else _COOKIE
