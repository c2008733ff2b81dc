"""Connected apps: what a person allowed, with its receipt, and taking it back."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from application import end_consent, revoke_grant
from application.ports import Recorded
from domain.errors import InvalidInput, NotFound, Refused
from infrastructure.store.reader import read_rows
from projections.consents.queries import ConsentRow, list_consents
from projections.integrations.queries import integration, integrations_of
from projections.sessions.queries import list_sessions
from web.pages import connected_views, context, csrf
from web.pages.account_models import ConnectedAppsView, NarrowView, ReceiptView
from web.pages.app_words import plain_name
from web.pages.audit_sentences import Known
from web.pages.audit_views import readable
from web.pages.confirmations import revoke_all_apps, revoke_app
from web.pages.connected_views import Held
from web.pages.consent_view import Choices, choices
from web.pages.deeds import done
from web.pages.endpoints import mcp_hint
from web.pages.formatting import counted
from web.pages.frame import account_page
from web.pages.narrow import narrow as keep_only
from web.pages.narrow import narrow_view
from web.pages.session import for_everyone, signed_in

blueprint = Blueprint("connected_apps", __name__, url_prefix="/connected-apps")

_SECTION: Final = "Connected apps"
_SESSIONS_READ: Final = 500


def _held(conn: Any) -> list[Held]:
    """Everything that the signed-in person allowed, by app."""
    account_id, member_id = context.account_id(), signed_in().member_id
    consents = list_consents(conn, account_id, member_id=member_id)
    sessions = list_sessions(conn, account_id, member_id=member_id, live_only=False, limit=_SESSIONS_READ)
    apps = integrations_of(conn, account_id, list({consent.fingerprint for consent in consents if consent.fingerprint}))
    found = {consent.client_stream: apps[consent.fingerprint] for consent in consents if consent.fingerprint in apps}
    return connected_views.held(consents, found, sessions)


@blueprint.get("", endpoint="list")
@for_everyone
def list_all() -> str:
    account, now, person = context.account(), context.services().clock(), signed_in()
    with context.views() as conn:
        held = _held(conn)
        live = [one for one in held if one.live]
        view = ConnectedAppsView(
            apps=tuple(connected_views.card(one, projects=account.projects, now=now) for one in live),
            ended=connected_views.ended(held, person.member_id),
            revoke_all=revoke_all_apps(len(live)) if len(live) > 1 else None,
            mcp_url=context.services().mcp_url,
            mcp_hint=mcp_hint(account, context.services()),
        )
        return account_page("account/connected_apps.html", conn, _SECTION, view=view)


def _one(conn: Any, consent_id: str) -> Held:
    for one in _held(conn):
        if one.live and any(consent.consent_id == consent_id for consent in one.consents):
            return one
    raise NotFound("You have not allowed such an app, or took it back before.")


def _withdraw(one: Held) -> Recorded | None:
    """Every consent of the app that is in force; the last event stands for all."""
    recorded = None
    for consent in one.consents:
        if consent.in_force:
            try:
                recorded = end_consent.withdraw(
                    context.services(), context.account_id(), consent.consent_id, actor_id=signed_in().member_id, origin=context.origin()
                )
            except Refused:
                continue  # taken back in another window
    return recorded


@blueprint.route("/<consent_id>/revoke", methods=["GET", "POST"])
@for_everyone
def revoke(consent_id: str) -> Response | str:
    with context.views() as conn:
        one = _one(conn, consent_id)
        if request.method == "GET":
            confirm, back = revoke_app(consent_id, one.app.name), url_for("connected_apps.list")
            return account_page("account/confirm.html", conn, "Revoke", _SECTION, confirm=confirm, back=back)
    csrf.check()
    recorded = _withdraw(one)
    done(recorded, f"Revoked {plain_name(one.app.name)}.", _sessions_ended([one]), linked=False)
    return redirect(url_for("connected_apps.list"), 303)


@blueprint.route("/sessions/<grant_id>/revoke", methods=["GET", "POST"])
@for_everyone
def revoke_session(grant_id: str) -> Response | str:
    """One session of one's own; what was agreed to stays."""
    now = context.services().clock()
    with context.views() as conn:
        action = url_for("connected_apps.revoke_session", grant_id=grant_id)
        found = [(one, session) for one in _held(conn) for session in connected_views.own_sessions(one, now) if session.revoke.action == action]
        if not found:
            raise NotFound("You have no such session; it may have ended.")
        if request.method == "GET":
            return account_page("account/confirm.html", conn, "Revoke", _SECTION, confirm=found[0][1].revoke, back=url_for("connected_apps.list"))
    csrf.check()
    person = signed_in().member_id
    recorded = revoke_grant.revoke(context.services(), context.account_id(), grant_id, by="member", actor_id=person, origin=context.origin())
    words = f"Revoked a session of {plain_name(found[0][0].app.name)}." if recorded else "The session had ended."
    done(recorded, words, linked=False, kind="ok" if recorded else "")
    return redirect(url_for("connected_apps.list"), 303)


@blueprint.get("/<consent_id>/narrow")
@for_everyone
def change(consent_id: str) -> str:
    with context.views() as conn:
        one = _one(conn, consent_id)
        return _narrow_page(conn, one, narrow_view(one, _consent(one, consent_id), context.account()))


@blueprint.post("/<consent_id>/narrow")
@for_everyone
def narrow(consent_id: str) -> Response:
    csrf.check()
    with context.views() as conn:
        one = _one(conn, consent_id)
        chosen = choices()
        try:
            recorded = _narrow(one, chosen)
        except InvalidInput as error:
            errors = {error.field or "scope": error.message}
            view = narrow_view(one, _consent(one, consent_id), context.account(), chosen=chosen, errors=errors)
            return make_response(_narrow_page(conn, one, view), 400)
    name = plain_name(one.app.name)
    done(recorded, f"Narrowed {name}." if recorded else f"{name} keeps what it has.", linked=False, kind="ok" if recorded else "")
    return redirect(url_for("connected_apps.list"), 303)


def _narrow(one: Held, chosen: Choices) -> Recorded | None:
    """Every consent of the app that is in force; the last event stands for all."""
    services, account, member_id, origin = context.services(), context.account(), signed_in().member_id, context.origin()
    live = [consent for consent in one.consents if consent.in_force]
    found = [keep_only(services, account, consent, chosen, actor_id=member_id, origin=origin) for consent in live]
    return next((last for last in reversed(found) if last), None)


def _consent(one: Held, consent_id: str) -> ConsentRow:
    return next(consent for consent in one.consents if consent.consent_id == consent_id)


def _narrow_page(conn: Any, one: Held, view: NarrowView) -> str:
    return account_page("account/narrow.html", conn, f"What {plain_name(one.app.name)} may do", _SECTION, view=view)


@blueprint.route("/revoke-all", methods=["GET", "POST"])
@for_everyone
def revoke_all() -> Response | str:
    with context.views() as conn:
        live = [one for one in _held(conn) if one.live]
        if request.method == "GET":
            confirm, back = revoke_all_apps(len(live)), url_for("connected_apps.list")
            return account_page("account/confirm.html", conn, "Revoke all", _SECTION, confirm=confirm, back=back)
    csrf.check()
    recorded = [_withdraw(one) for one in live]
    done(next((last for last in reversed(recorded) if last), None), f"Revoked {counted(len(live), 'app')}.", _sessions_ended(live), linked=False)
    return redirect(url_for("connected_apps.list"), 303)


def _sessions_ended(ones: Any) -> str:
    sessions = sum(len(one.active_sessions) for one in ones)
    return f"{counted(sessions, 'session')} ended." if sessions else ""


@blueprint.get("/receipts/<int:position>")
@for_everyone
def receipt(position: int) -> str:
    """The consent event in words, then as recorded; only the person's own."""
    account = context.account()
    with context.views() as conn:
        stored = next(iter(read_rows(conn, position - 1, 1)), None) if 0 < position < 2**62 else None
        facts = json.loads(bytes(stored.state)) if stored and stored.topic == "consent.given" else {}
        if stored is None or str(stored.account_id) != context.account_id() or facts.get("member_id") != signed_in().member_id:
            raise NotFound("There is no such receipt.")
        app = integration(conn, context.account_id(), str(UUID(facts["for_client"])))
        name = plain_name(app.name) if app else "an app"
        view = ReceiptView(
            position=position,
            at=stored.at,
            sentences=connected_views.receipt_sentences(facts, name, account.name, Known(projects=account.projects)),
            recorded=json.dumps({"topic": stored.topic, **readable(facts)}, indent=2, ensure_ascii=False),
            leaf_hash=bytes(stored.leaf_hash).hex(),
        )
        return account_page("account/receipt.html", conn, f"Receipt {position:,}", _SECTION, view=view)
