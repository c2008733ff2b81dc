"""The consent page: shows the pending request, and takes the decision; the form can only take away from that request."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from application import approve_consent, ask_approval
from application.begin_authorization import PendingRequest, consent_state, pending
from domain.errors import InvalidInput, NotFound, Refused
from projections.integrations import queries
from web.pages import context, csrf, headers
from web.pages.account_models import CannotConnectVariant
from web.pages.cannot_connect import cannot_connect
from web.pages.confirmations import reason_from
from web.pages.consent_view import Asked, Choices, approved_scopes, choices, consent_view, problems, text_shown
from web.pages.deeds import done
from web.pages.frame import account_page
from web.pages.people import viewer_of
from web.pages.session import SignedInMember, for_everyone, signed_in

blueprint = Blueprint("consent", __name__)

_STALE: Final = "This page is out of date, nothing was changed. Look at your choices and decide again."
_VARIANTS: Final[dict[str, CannotConnectVariant]] = {
    "client_removed": "removed", "app_blocked": "blocked", "app_pending": "pending", "plan": "no_plan",
}  # fmt: skip
_UNDECIDED: Final = "Choose Allow or Deny."
_CHANGED: Final = "What this page says has changed since you opened it, and nothing is decided yet. Read it again, then decide."
_NOT_ASKED: Final = "Press “Ask an admin”, or go back to the app."


@blueprint.get("/consent")
@for_everyone
def show() -> Response:
    waiting = _waiting(request.args.get("request", ""))
    if waiting is None:
        return cannot_connect("expired")
    asked = _asked(waiting, signed_in())
    return _refusal(asked) or _page(asked)


@blueprint.post("/consent")
@for_everyone
def decide() -> Response:
    waiting = _waiting(request.form.get("request", ""))
    if waiting is None:
        return cannot_connect("expired")
    asked = _asked(waiting, signed_in())
    refused = _refusal(asked)
    if refused:
        return refused
    chosen = choices()
    try:
        csrf.check_for_request(waiting.request_id)
    except csrf.StaleForm:
        return _page(asked, chosen, {"decision": _STALE}, status=400)
    decision = request.form.get("decision", "")
    if decision == "deny":
        return _denied(waiting, asked)
    if decision == "ask" and asked.pending:
        return _ask(waiting, asked)
    if decision != "approve":
        return _page(asked, chosen, {"decision": _NOT_ASKED if asked.pending else _UNDECIDED}, status=400)
    if request.form.get("shown") != approve_consent.digest_of(_text(asked)):
        return _page(asked, chosen, {"decision": _CHANGED}, status=400)
    return _approved(waiting, asked, chosen)


def _waiting(request_id: str) -> PendingRequest | None:
    return pending(context.services(), context.account_id(), request_id)


def _asked(waiting: PendingRequest, person: SignedInMember) -> Asked:
    """The request with the states it is judged on, as the write side knows them now."""
    state = consent_state(context.services(), waiting, person.member_id)
    if state is None:
        raise NotFound("This request is about an app or an account that is gone.")
    approved = state.account.app(state.client.fingerprint).status == "approved"
    return Asked(waiting=waiting, state=state, allowed_at=_allowed_at(waiting.client_id) if approved else None)


def _allowed_at(client_id: str) -> datetime | None:
    with context.views() as conn:
        row = queries.integration(conn, context.account_id(), client_id)
        return row.decided_at if row else None


def _refusal(asked: Asked) -> Response | None:
    """The page for an app that may not ask at all; one that waits for approval still shows what it asks."""
    why = asked.state.refusal
    return None if why in (None, "app_pending") else _refused(asked, str(why))


def _refused(asked: Asked, why: str) -> Response:
    variant = _VARIANTS.get(why, "bad_request")
    client = asked.client
    return cannot_connect(
        variant,
        client_id=client.client_id,
        app_name=client.name,
        redirect_uri=asked.waiting.redirect_uri,
        registered=client.redirect_uris,
        software_id=str(client.metadata.get("software_id", "")),
    )


def _page(asked: Asked, chosen: Choices | None = None, errors: dict[str, str] | None = None, *, status: int = 200) -> Response:
    headers.allow_form_redirect(asked.waiting.redirect_uri)
    with context.views() as conn:
        email = viewer_of(conn, signed_in()).email
        view = consent_view(asked, email=email, now=context.services().clock(), chosen=chosen, errors=errors)
        token, shown = csrf.token_for_request(asked.waiting.request_id), approve_consent.digest_of(_text(asked))
        title = f"Allow {view.app.name} to connect?"
        body = account_page("account/consent.html", conn, title, with_lag=False, view=view, request_token=token, shown=shown)
    return make_response(body, status)


def _text(asked: Asked) -> str:
    view = consent_view(asked, email="", now=context.services().clock())
    return text_shown(view, asked.state.account.name)


def _denied(waiting: PendingRequest, asked: Asked) -> Response:
    try:
        url = approve_consent.deny(context.services(), waiting, signed_in().member_id, text=_text(asked), origin=context.origin())
    except Refused:
        return cannot_connect("expired")
    return redirect(url, 303)


def _ask(waiting: PendingRequest, asked: Asked) -> Response:
    """Ask the admins; the request stays, so that this page can be answered once they have decided."""
    try:
        recorded = ask_approval.ask(
            context.services(), waiting, signed_in().member_id, reason=reason_from(request.form.get("reason", "")), origin=context.origin()
        )
    except approve_consent.AppRefused as error:
        return _refused(asked, error.why)
    if recorded is not None:
        done(recorded, "The admins were asked.", linked=False)
    return redirect(url_for("consent.show", request=waiting.request_id), 303)


def _approved(waiting: PendingRequest, asked: Asked, chosen: Choices) -> Response:
    missing = problems(asked, chosen)
    if missing:
        return _page(asked, chosen, missing, status=400)
    try:
        url = approve_consent.approve(
            context.services(),
            waiting,
            signed_in().member_id,
            scopes=approved_scopes(asked, chosen),
            project_access="all" if chosen.all_projects else "selected",
            project_ids=tuple(id_ for id_ in asked.state.projects if id_ in chosen.project_ids),
            keep_alive=chosen.keep_alive,
            text=_text(asked),
            origin=context.origin(),
        )
    except InvalidInput as error:
        return _page(asked, chosen, {error.field or "decision": error.message}, status=400)
    except approve_consent.AppRefused as error:
        return _refused(asked, error.why)
    except Refused:
        return cannot_connect("expired")
    return redirect(url, 303)
