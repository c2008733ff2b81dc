"""Active sessions: the list with its filters, one session with its history, and revoking one or several."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from application import revoke_grant
from application.lookups import as_uuid
from domain.errors import InvalidInput, NotFound
from projections.audit_log.queries import entries
from projections.integrations.queries import list_integrations
from projections.members.queries import list_members
from projections.sessions import queries
from projections.sessions.queries import SessionRow
from web.pages import context, csrf, session_views
from web.pages.app_words import plain_name
from web.pages.confirmations import reason_from, revoke_session, revoke_sessions
from web.pages.deeds import done
from web.pages.formatting import counted
from web.pages.frame import settings_page
from web.pages.history import session_history
from web.pages.models import Choice, EndedSession, Filter, Pager, SessionDetail, SessionsView, Step
from web.pages.people import matching, names
from web.pages.session import for_admins_afresh, for_readers, signed_in

blueprint = Blueprint("sessions", __name__, url_prefix="/sessions")

_HERE: Final = "settings.sessions.list"
_SECTION: Final = "Active sessions"
_PAGE_SIZE: Final = 50
_AT_ONCE: Final = 100
_REUSE: Final = "refresh_token.reuse_detected"
_LISTED_FOR: Final = timedelta(days=30)
Rows = list[SessionRow]


@blueprint.get("", endpoint="list")
@for_readers
def list_all() -> str:
    account, now, args = context.account(), context.services().clock(), request.args
    with context.views() as conn:
        rows = _rows(conn)
        page = rows[:_PAGE_SIZE]
        ended = _ended_for_reuse(conn)
        may_manage = signed_in().may_manage
        view = SessionsView(
            stats=session_views.stats(queries.session_counts(conn, context.account_id()), len(ended)),
            filters=_filters(conn),
            filtered=any(args.get(name) for name in ("user", "client", "project", "scope")),
            rows=tuple(
                session_views.session_row(row, projects=account.projects, now=now, may_manage=may_manage) for row in page if row.status == "active"
            ),
            pager=_pager(page, more=len(rows) > len(page)),
            ended=ended,
            may_manage=may_manage,
            mcp_url=context.services().mcp_url,
        )
        return settings_page("settings/sessions/list.html", conn, _SECTION, here=_HERE, view=view)


def _rows(conn: Any) -> Rows:
    """One more than a page of live grants, newest first; among them codes that wait for their exchange, which are no sessions yet."""
    args, account_id = request.args, context.account_id()
    before = args.get("before", "")
    found: dict[str, Any] = {
        "fingerprint": _fingerprint(conn, args.get("client", "")),
        "project": args.get("project", "") if args.get("project") in context.account().projects else None,
        "scope": args.get("scope") or None,
        "before": int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None,
        "limit": _PAGE_SIZE + 1,
    }
    if not args.get("user", "").strip():
        rows = queries.list_sessions(conn, account_id, **found)
    else:
        people = matching(list_members(conn, account_id), args["user"].strip())[:10]
        rows = [row for person in people for row in queries.list_sessions(conn, account_id, member_id=person.member_id, **found)]
        rows.sort(key=lambda row: -row.created_position)
    return rows


def _fingerprint(conn: Any, ref: str) -> str | None:
    """The app that a filter names by one of its registrations; an unknown one finds nothing."""
    if not ref:
        return None
    row = next((row for row in list_integrations(conn, context.account_id(), removed=True) if ref in (row.client_stream, row.client_id)), None)
    return row.fingerprint if row else "unknown"


def _filters(conn: Any) -> tuple[Filter, ...]:
    args, account = request.args, context.account()
    apps = [(row.client_stream, plain_name(row.name)) for row in list_integrations(conn, context.account_id())]

    def chosen(name: str, options: Any) -> tuple[Choice, ...]:
        return tuple(Choice(value=value, words=words, chosen=value == args.get(name)) for value, words in options)

    return (
        Filter(name="user", label="Person", value=args.get("user", "")[:200], hint="Name or email"),
        Filter(name="client", label="App", options=chosen("client", apps), any_words="All apps"),
        Filter(name="project", label="Project", options=chosen("project", account.projects.items()), any_words="All projects"),
        Filter(name="scope", label="Scope", options=chosen("scope", [(code, code) for code in account.scopes]), any_words="Any scope"),
    )


def _pager(page: Rows, *, more: bool) -> Pager:
    shown = sum(1 for row in page if row.status == "active")
    kept = [(name, value) for name in ("user", "client", "project", "scope") if (value := request.args.get(name))]
    newest = f"{url_for(_HERE)}?{urlencode(kept)}".rstrip("?")
    older = f"{url_for(_HERE)}?{urlencode([*kept, ('before', page[-1].created_position)])}" if more and page else ""
    return Pager(
        words=counted(shown, "session") + (", newest first" if shown > 1 else ""),
        older=older,
        newer=newest if request.args.get("before") else "",
        newer_words="Newest",
    )


def _ended_for_reuse(conn: Any) -> tuple[EndedSession, ...]:
    """Sessions that a spent token ended, listed for thirty days."""
    account_id = context.account_id()
    found = entries(conn, account_id, since=context.services().clock() - _LISTED_FOR, event_type=_REUSE, limit=20)
    pairs = [(queries.session(conn, account_id, entry.grant_id), entry) for entry in found if entry.grant_id]
    return tuple(session_views.ended_for_reuse(row, entry) for row, entry in pairs if row)


def _row(conn: Any, grant_id: str) -> SessionRow:
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
        people = names(conn, context.account_id())
        facts = (
            ("Resource", row.resource),
            ("Keep session alive", "on" if row.keep_alive else "off"),
            *((("User agent", row.user_agent),) if row.user_agent else ()),
        )
        view = SessionDetail(
            row=session_views.session_row(row, projects=account.projects, now=now, may_manage=signed_in().may_manage),
            state="ended" if row.status == "ended" else "active",
            ended_line=session_views.ended_line(row),
            facts=facts,
            history=session_history(conn, context.account_id(), grant_id, people, account.projects),
            page_id=row.client_stream,
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
        raise InvalidInput("Choose at least one session.", field="grant_id")
    with context.views() as conn:
        rows = [_row(conn, grant_id) for grant_id in grant_ids]
        people = len({row.member_id for row in rows})
        if request.method == "GET":
            confirm, back = revoke_sessions(grant_ids, people), url_for(_HERE)
            return settings_page("settings/confirm.html", conn, "Revoke", _SECTION, here=_HERE, trail=_trail(), confirm=confirm, back=back)
    csrf.check()
    recorded = [found for grant_id in grant_ids if (found := _revoke(grant_id))]
    done(recorded[-1] if recorded else None, f"Revoked {counted(len(recorded), 'session')} of {counted(people, 'person', 'people')}.")
    return redirect(url_for(_HERE), 303)


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
