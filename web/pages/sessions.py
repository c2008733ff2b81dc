"""Active sessions: the list, one session with its history, and revoking one, several, or all of a person or an app."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from application import revoke_grant
from application.lookups import as_uuid
from domain.errors import NotFound
from projections.sessions import queries
from projections.sessions.queries import SessionRow
from web.pages import context, csrf, explain_views, session_lists, session_views
from web.pages.app_words import plain_name
from web.pages.confirmations import reason_from, revoke_all_sessions, revoke_session, revoke_sessions
from web.pages.deeds import done
from web.pages.formatting import counted
from web.pages.frame import notify, settings_page
from web.pages.history import session_history
from web.pages.models import Notice, Step
from web.pages.people import names
from web.pages.session import for_admins_afresh, for_readers, signed_in
from web.pages.session_models import SessionDetail
from web.told_sessions import reuse_that_ended

blueprint = Blueprint("sessions", __name__, url_prefix="/sessions")

_HERE: Final = "settings.sessions.list"
_SECTION: Final = "Active sessions"
_AT_ONCE: Final = 100
_MOST: Final = 1000
"""Sessions that one click revokes."""


@blueprint.get("", endpoint="list")
@for_readers
def list_all() -> str:
    with context.views() as conn:
        return settings_page("settings/sessions/list.html", conn, _SECTION, here=_HERE, view=session_lists.view(conn))


def _row(conn: Any, grant_id: str) -> SessionRow:
    """The session, without its ticks."""
    row = queries.session(conn, context.account_id(), grant_id) if _is_id(grant_id) else None
    if row is None:
        raise NotFound("There is no such session in this account.")
    return row


def _is_id(text: str) -> bool:
    return str(as_uuid(text)) == text


def _trail() -> tuple[Step, ...]:
    return (Step(_SECTION, url_for(_HERE)),)


@blueprint.get("/<grant_id>")
@for_readers
def detail(grant_id: str) -> str:
    account, now = context.account(), context.services().clock()
    with context.views() as conn:
        row = _row(conn, grant_id)
        until = row.ended_at if row.status == "ended" and row.ended_at else now
        ticks = queries.ticks(conn, [grant_id], until - session_views.WEEK).get(grant_id, ())
        strip = session_views.strip_until(replace(row, ticks=ticks), until)
        people = names(conn, context.account_id())
        facts = (
            ("Resource", row.resource),
            ("Keep session alive", "on" if row.keep_alive else "off"),
            *((("User agent", row.user_agent),) if row.user_agent else ()),
        )
        view = SessionDetail(
            row=session_views.session_row(row, strip, projects=account.projects, now=now, may_manage=signed_in().may_manage),
            state="ended" if row.status == "ended" else "active",
            ended_line=session_views.ended_line(row),
            told="" if (reuse := reuse_that_ended(context.past(conn), row)) is None else reuse.words,
            facts=facts,
            history=session_history(conn, context.account_id(), grant_id, people, account.projects),
            page_id=row.client_stream,
            why=explain_views.why(row.member_id, row.client_stream, row.scopes),
        )
        title = f"{view.row.person}, {plain_name(row.client_name)}"
        return settings_page("settings/sessions/detail.html", conn, title, _SECTION, here=_HERE, trail=_trail(), view=view)


@blueprint.route("/<grant_id>/revoke", methods=["GET", "POST"])
@for_admins_afresh
def revoke(grant_id: str) -> Response | str:
    with context.views() as conn:
        row = _row(conn, grant_id)
        person = row.member_name or "an erased member"
        if request.method == "GET":
            confirm, back = revoke_session(grant_id, person, row.client_name), url_for("settings.sessions.detail", grant_id=grant_id)
            return settings_page("settings/confirm.html", conn, "Revoke", _SECTION, here=_HERE, trail=_trail(), confirm=confirm, back=back)
    csrf.check()
    recorded = _revoke(grant_id)
    if recorded is None:
        done(None, "This session had ended before.", "Nothing was changed.", kind="")
    else:
        done(recorded, f"Revoked the session of {person}, {plain_name(row.client_name)}.")
    return redirect(url_for("settings.sessions.list"), 303)


@blueprint.route("/revoke", methods=["GET", "POST"])
@for_admins_afresh
def revoke_many() -> Response | str:
    """Several at once; the question lists how many and for whom."""
    grant_ids = tuple(dict.fromkeys(request.values.getlist("grant_id")))[:_AT_ONCE]
    if not grant_ids:
        notify(Notice(strong="No session was selected.", text="Tick the sessions to end, then choose Revoke selected.", kind="warn", image="info"))
        return redirect(session_lists.same_list(), 303)
    with context.views() as conn:
        rows = [_row(conn, grant_id) for grant_id in grant_ids]
        people = len({row.member_id for row in rows})
        if request.method == "GET":
            confirm, back = revoke_sessions(grant_ids, people), session_lists.same_list()
            return settings_page("settings/confirm.html", conn, "Revoke", _SECTION, here=_HERE, trail=_trail(), confirm=confirm, back=back)
    csrf.check()
    count, last = _revoke_several(grant_ids)
    done(last, f"Revoked {counted(count, 'session')} of {counted(people, 'person', 'people')}.")
    return redirect(url_for(_HERE), 303)


@blueprint.route("/revoke-all", methods=["GET", "POST"])
@for_admins_afresh
def revoke_all() -> Response | str:
    """All of a person (`user`, a member id) or of an app (`client`); the question says how many and for whom."""
    user, client = request.values.get("user", ""), request.values.get("client", "")
    with context.views() as conn:
        name, of, is_app = session_lists.of_one(conn, user, client)
        counts = queries.session_counts(conn, context.account_id(), **of)
        if request.method == "GET":
            query = (("client", client),) if is_app else (("user", user),)
            confirm = revoke_all_sessions(name, query, sessions=counts.active, people=counts.people, is_app=is_app)
            return settings_page(
                "settings/confirm.html", conn, "Revoke all", _SECTION, here=_HERE, trail=_trail(), confirm=confirm, back=url_for(_HERE)
            )
        csrf.check()
        rows = queries.list_sessions(conn, context.account_id(), limit=_MOST + 1, **of)
    count, last = _revoke_several([row.grant_id for row in rows[:_MOST]])
    left = f"More than {counted(_MOST, 'session')} were there: revoke the rest in the same way." if len(rows) > _MOST else ""
    done(last, f"Revoked {counted(count, 'session')} of {plain_name(name)}.", left, kind="ok" if last else "")
    return redirect(url_for(_HERE), 303)


def _revoke_several(grant_ids: Any) -> Any:
    return revoke_grant.revoke_several(
        context.services(),
        context.account_id(),
        grant_ids,
        actor_id=signed_in().member_id,
        origin=context.origin(),
        reason=reason_from(request.form.get("reason", "")),
    )


def _revoke(grant_id: str) -> Any:
    return revoke_grant.revoke(
        context.services(),
        context.account_id(),
        grant_id,
        by="admin",
        actor_id=signed_in().member_id,
        origin=context.origin(),
        reason=reason_from(request.form.get("reason", "")),
    )
