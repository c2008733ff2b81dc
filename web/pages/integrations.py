"""App integrations: the two tables, one app with its history, adding one by hand, and what admins decide about an app."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from application import decide_app
from application.ports import Recorded
from application.register_client import register_manual
from domain.errors import DomainError, InvalidInput, NotFound
from domain.scopes import OFFLINE_ACCESS
from projections.consents.queries import list_consents
from projections.integrations import queries
from projections.members.queries import list_members
from projections.sessions.queries import SessionRow, list_sessions
from web.pages import context, csrf, integration_views
from web.pages.app_words import plain_name
from web.pages.confirmations import app_deed, reason_from
from web.pages.deeds import done
from web.pages.endpoints import endpoints
from web.pages.formatting import counted
from web.pages.frame import settings_page
from web.pages.history import app_history
from web.pages.models import Choice, IntegrationsView, NewIntegrationForm, Step
from web.pages.session import for_admins, for_admins_afresh, for_readers, signed_in

blueprint = Blueprint("integrations", __name__, url_prefix="/integrations")

_HERE: Final = "settings.integrations.list"
_SECTION: Final = "App integrations"
_MANY: Final = 10_000


def _trail(*more: Step) -> tuple[Step, ...]:
    return (Step(_SECTION, url_for(_HERE)), *more)


def _row(conn: Any, page_id: str) -> queries.IntegrationRow:
    row = queries.integration(conn, context.account_id(), page_id) if len(page_id) <= 300 else None
    if row is None:
        raise NotFound("There is no such app in this account.")
    return row


def _live_sessions(conn: Any, row: queries.IntegrationRow) -> list[SessionRow]:
    found = list_sessions(conn, context.account_id(), fingerprint=row.fingerprint, limit=_MANY)
    return [session for session in found if session.status == "active"]


def _people(sessions: Iterable[SessionRow]) -> int:
    return len({session.member_id for session in sessions})


@blueprint.get("", endpoint="list")
@for_readers
def list_all() -> str:
    with context.views() as conn:
        rows = queries.list_integrations(conn, context.account_id())
        view = IntegrationsView(
            dynamic=tuple(integration_views.table_row(row) for row in rows if row.registration != "manual"),
            manual=tuple(integration_views.table_row(row) for row in rows if row.registration == "manual"),
            endpoints=endpoints(context.services()),
            policy=context.account().registration_policy.registration,
            may_manage=signed_in().may_manage,
        )
        return settings_page("settings/integrations/list.html", conn, _SECTION, here=_HERE, pending=len(view.waiting), view=view)


@blueprint.get("/<page_id>")
@for_readers
def detail(page_id: str) -> str:
    account = context.account()
    with context.views() as conn:
        row = _row(conn, page_id)
        members = list_members(conn, context.account_id())
        people = {member.member_id: member.name or member.email or "an erased member" for member in members}
        sessions = _live_sessions(conn, row)
        users = integration_views.users(
            list_consents(conn, context.account_id(), fingerprint=row.fingerprint, in_force=True, limit=_MANY),
            list_sessions(conn, context.account_id(), fingerprint=row.fingerprint, live_only=False, limit=_MANY),
            {member.member_id: member.role for member in members},
            account.projects,
        )
        may_manage = signed_in().may_manage
        view = integration_views.detail(
            row,
            people=users,
            all_people=request.args.get("people") == "all",
            sessions=len(sessions),
            history=app_history(conn, context.account_id(), row.client_id, people, account.projects),
            actions=integration_views.actions(row, account, sessions=len(sessions), people=_people(sessions)) if may_manage else (),
            banner=integration_views.ended_line(row),
            dynamic_scopes=tuple(code for code, scope in account.scopes.items() if scope.dynamic and code != OFFLINE_ACCESS),
        )
        return settings_page("settings/integrations/detail.html", conn, plain_name(row.name), _SECTION, here=_HERE, trail=_trail(), view=view)


# ---- deeds


def _ask(page_id: str, deed: str) -> str:
    """The question as a page of its own, for links and old browsers."""
    with context.views() as conn:
        row = _row(conn, page_id)
        sessions = _live_sessions(conn, row)
        ttl = context.account().session_policy.access_token_ttl
        confirm = app_deed(deed, row.client_stream, row.name, sessions=len(sessions), people=_people(sessions), access_token_ttl=ttl)
        back = url_for("settings.integrations.detail", page_id=row.client_stream)
        trail = _trail(Step(plain_name(row.name), back))
        return settings_page("settings/confirm.html", conn, confirm.verb, _SECTION, here=_HERE, trail=trail, confirm=confirm, back=back)


def _decide(page_id: str, decide: Any, did: str, *, after: str = "") -> Response:
    csrf.check()
    with context.views() as conn:
        row = _row(conn, page_id)
        sessions = len(_live_sessions(conn, row))
    reason = reason_from(request.form.get("reason", ""))
    recorded: Recorded | None = decide(row, reason)
    ended = f"{counted(sessions, 'session')} ended." if sessions and did in ("Blocked", "Removed") else ""
    if recorded is None:
        done(None, f"{plain_name(row.name)} was {did.lower()} before.", "Nothing was changed.", kind="")
    else:
        done(recorded, f"{did} {plain_name(row.name)}.", ended or after)
    return redirect(url_for("settings.integrations.detail", page_id=row.client_stream), 303)


def _on_app(use_case: Any) -> Any:
    def decide(row: queries.IntegrationRow, reason: str | None) -> Recorded | None:
        found: Recorded | None = use_case(
            context.services(), context.account_id(), row.client_id, actor_id=signed_in().member_id, origin=context.origin(), reason=reason
        )
        return found

    return decide


def _remove_all(row: queries.IntegrationRow, reason: str | None) -> Recorded | None:
    """Every registration of the app that is left; the last event stands for all."""
    recorded = None
    with context.views() as conn:
        found = queries.registrations(conn, context.account_id(), row.fingerprint, limit=_MANY)
        left = [registration.client_id for registration in found if registration.removed_at is None]
    for client_id in left or [row.client_id]:
        try:
            recorded = decide_app.remove(
                context.services(), context.account_id(), client_id, actor_id=signed_in().member_id, origin=context.origin(), reason=reason
            )
        except DomainError:
            continue  # removed by itself in between
    return recorded


@blueprint.route("/<page_id>/approve", methods=["GET", "POST"])
@for_admins
def approve(page_id: str) -> Response | str:
    return _ask(page_id, "approve") if request.method == "GET" else _decide(page_id, _on_app(decide_app.approve), "Approved")


@blueprint.route("/<page_id>/deny", methods=["GET", "POST"])
@for_admins
def deny(page_id: str) -> Response | str:
    return _ask(page_id, "deny") if request.method == "GET" else _decide(page_id, _on_app(decide_app.block), "Blocked")


@blueprint.route("/<page_id>/block", methods=["GET", "POST"])
@for_admins_afresh
def block(page_id: str) -> Response | str:
    return _ask(page_id, "block") if request.method == "GET" else _decide(page_id, _on_app(decide_app.block), "Blocked")


@blueprint.route("/<page_id>/unblock", methods=["GET", "POST"])
@for_admins
def unblock(page_id: str) -> Response | str:
    after = "People have to consent again."
    return _ask(page_id, "unblock") if request.method == "GET" else _decide(page_id, _on_app(decide_app.unblock), "Unblocked", after=after)


@blueprint.route("/<page_id>/verify", methods=["GET", "POST"])
@for_admins
def verify(page_id: str) -> Response | str:
    return _ask(page_id, "verify") if request.method == "GET" else _decide(page_id, _on_app(decide_app.verify), "Verified")


@blueprint.route("/<page_id>/remove", methods=["GET", "POST"])
@for_admins_afresh
def remove(page_id: str) -> Response | str:
    return _ask(page_id, "remove") if request.method == "GET" else _decide(page_id, _remove_all, "Removed")


# ---- adding one by hand


@blueprint.get("/new")
@for_admins
def new() -> str:
    return _new_page(NewIntegrationForm(scopes=_scope_choices(None)))


@blueprint.post("/new")
@for_admins
def add() -> Response:
    form = request.form
    try:
        csrf.check()
    except csrf.StaleForm:
        return make_response(_new_page(_typed({"name": csrf.STALE})), 400)
    uris = [line.strip() for line in form.get("redirect_uris", "").splitlines() if line.strip()]
    try:
        client = register_manual(
            context.services(),
            context.account_id(),
            name=form.get("name", "").strip(),
            redirect_uris=uris,
            scopes=form.getlist("scope"),
            homepage=form.get("homepage", "").strip() or None,
            actor_id=signed_in().member_id,
            origin=context.origin(),
            reason=reason_from(form.get("reason", "")),
        )
    except InvalidInput as error:
        return make_response(_new_page(_typed({_field(error): error.message})), 400)
    done(Recorded(client.id, client.version), f"Added {plain_name(client.name)}.", "No secret is issued. Use PKCE (S256).")
    return redirect(url_for("settings.integrations.detail", page_id=client.client_id), 303)


def _field(error: InvalidInput) -> str:
    """The form's field that the error is about."""
    return {"scope": "scopes"}.get(error.field or "", error.field or "name")


def _typed(errors: dict[str, str]) -> NewIntegrationForm:
    form = request.form
    return NewIntegrationForm(
        name=form.get("name", ""),
        redirect_uris=form.get("redirect_uris", ""),
        scopes=_scope_choices(frozenset(form.getlist("scope"))),
        homepage=form.get("homepage", ""),
        reason=form.get("reason", ""),
        errors=errors,
    )


def _scope_choices(chosen: frozenset[str] | None) -> tuple[Choice, ...]:
    """The catalogue's scopes, but `offline_access`, which every app may ask for; at first those that only read are ticked."""
    scopes = context.account().scopes.values()
    return tuple(
        Choice(value=scope.code, words=scope.title, chosen=scope.code in chosen if chosen is not None else not scope.acts)
        for scope in scopes
        if scope.code != OFFLINE_ACCESS
    )


def _new_page(form: NewIntegrationForm) -> str:
    with context.views() as conn:
        urls = endpoints(context.services())
        template = "settings/integrations/new.html"
        return settings_page(template, conn, "Add integration", _SECTION, here=_HERE, trail=_trail(), view=form, endpoints=urls)
