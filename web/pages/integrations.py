"""App integrations: the two tables, one app with its history and registrations, and what admins decide about an app."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from application import decide_app
from application.ports import Recorded
from domain.errors import DomainError, NotFound
from projections.integrations import queries
from web.pages import context, csrf, integration_details, integration_lists
from web.pages.app_words import plain_name
from web.pages.confirmations import app_deed, reason_from
from web.pages.deeds import done
from web.pages.formatting import counted
from web.pages.frame import settings_page
from web.pages.integration_forms import add_routes
from web.pages.models import Step
from web.pages.session import for_admins, for_admins_afresh, for_readers, signed_in

blueprint = Blueprint("integrations", __name__, url_prefix="/integrations")
add_routes(blueprint)

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


@blueprint.get("", endpoint="list")
@for_readers
def list_all() -> str:
    with context.views() as conn:
        return settings_page("settings/integrations/list.html", conn, _SECTION, here=_HERE, view=integration_lists.view(conn))


@blueprint.get("/<page_id>")
@for_readers
def detail(page_id: str) -> str:
    with context.views() as conn:
        row = _row(conn, page_id)
        view = integration_details.detail(conn, row)
        return settings_page("settings/integrations/detail.html", conn, plain_name(row.name), _SECTION, here=_HERE, trail=_trail(), view=view)


@blueprint.get("/<page_id>/registrations")
@for_readers
def registrations(page_id: str) -> str:
    before = request.args.get("before", "")
    with context.views() as conn:
        row = _row(conn, page_id)
        position = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
        view = integration_details.registrations_view(conn, row, position)
        trail = _trail(Step(plain_name(row.name), url_for("settings.integrations.detail", page_id=row.client_stream)))
        return settings_page("settings/integrations/registrations.html", conn, "Registrations", _SECTION, here=_HERE, trail=trail, view=view)


# ---- deeds


def _ask(page_id: str, deed: str) -> str:
    """The question as a page of its own, for links and old browsers."""
    with context.views() as conn:
        row = _row(conn, page_id)
        live = integration_details.live_sessions(conn, row)
        ttl = context.account().session_policy.access_token_ttl
        confirm = app_deed(deed, row.client_stream, row.name, sessions=live.active, people=live.people, access_token_ttl=ttl)
        back = url_for("settings.integrations.detail", page_id=row.client_stream)
        trail = _trail(Step(plain_name(row.name), back))
        return settings_page("settings/confirm.html", conn, confirm.verb, _SECTION, here=_HERE, trail=trail, confirm=confirm, back=back)


def _decide(page_id: str, decide: Any, did: str, *, after: str = "") -> Response:
    csrf.check()
    with context.views() as conn:
        row = _row(conn, page_id)
        sessions = integration_details.live_sessions(conn, row).active
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
