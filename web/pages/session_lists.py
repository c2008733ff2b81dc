"""The list of active sessions: its filters stand in the URL, and what it counts and shows comes from the views."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from flask import request, url_for

from domain.errors import NotFound
from projections.audit_log.queries import AuditEntry, entries
from projections.integrations import queries as integrations
from projections.integrations.queries import find_integrations
from projections.members.queries import MemberRow, list_members, member
from projections.sessions import queries
from projections.usage.queries import account_days
from web.pages import context, session_views
from web.pages.app_words import plain_name
from web.pages.endpoints import mcp_hint
from web.pages.formatting import counted
from web.pages.models import Choice, Filter, Pager
from web.pages.people import matching
from web.pages.session import signed_in
from web.pages.session_models import EndedSession, RevokeAll, SessionsView

_PAGE_SIZE: Final = 25
_DAYS: Final = 30
_PEOPLE: Final = 10
_APPS: Final = 50
_ENDED_SHOWN: Final = 10
_REUSE: Final = "refresh_token.reuse_detected"
_LISTED_FOR: Final = timedelta(days=30)
_FILTERS: Final = ("user", "client", "project", "scope")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the URL asks for: people and apps (ids and names) that fit, None where it doesn't ask."""

    people: list[MemberRow] | None
    apps: list[tuple[str, str, str]] | None
    """Fingerprint, page id, name."""


def view(conn: Any) -> SessionsView:
    account, services, account_id = context.account(), context.services(), context.account_id()
    now, may_manage, asked = services.clock(), signed_in().may_manage, _asked(conn)
    rows = _rows(conn, asked)
    page = rows[:_PAGE_SIZE]
    return SessionsView(
        stats=session_views.stats(queries.session_counts(conn, account_id), account_days(conn, account_id, now.date(), _DAYS)),
        filters=_filters(asked),
        filtered=any(request.args.get(name) for name in _FILTERS),
        rows=tuple(
            session_views.session_row(row, session_views.strip_of(row, now), projects=account.projects, now=now, may_manage=may_manage)
            for row in page
            if row.status == "active"
        ),
        pager=_pager(page, more=len(rows) > len(page)),
        ended=_ended_for_reuse(conn),
        may_manage=may_manage,
        mcp_url=services.mcp_url,
        mcp_hint=mcp_hint(account, services),
        revoke_all=_revoke_all(conn, asked) if may_manage else (),
        asked=_kept("before"),
    )


def same_list() -> str:
    """Where the list stands that this request asks for or was sent from."""
    kept: dict[str, Any] = dict(_kept("before"))
    return url_for("settings.sessions.list", **kept)


def _kept(*more: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name in (*_FILTERS, *more) if (value := request.args.get(name)))


def _asked(conn: Any) -> _Asked:
    user, client = request.args.get("user", "").strip()[:200], request.args.get("client", "").strip()[:300]
    return _Asked(
        people=matching(list_members(conn, context.account_id(), text=user), user)[:_PEOPLE] if user else None,
        apps=_apps(conn, client) if client else None,
    )


def _apps(conn: Any, text: str) -> list[tuple[str, str, str]]:
    """The app that is meant by a client id or stream id, or those with such a name."""
    account_id = context.account_id()
    exact = integrations.integration(conn, account_id, text)
    found = (exact,) if exact else find_integrations(conn, account_id, search=text, limit=_APPS).rows
    return [(row.fingerprint, row.client_stream, row.name) for row in found]


def _rows(conn: Any, asked: _Asked) -> list[queries.SessionRow]:
    """One more than a page of live grants, newest first; among them codes that wait for their exchange, which are no sessions yet."""
    args = request.args
    before = args.get("before", "")
    return queries.list_sessions(
        conn,
        context.account_id(),
        members=None if asked.people is None else [person.member_id for person in asked.people],
        fingerprints=None if asked.apps is None else [fingerprint for fingerprint, _, _ in asked.apps],
        project=args.get("project", "") if args.get("project") in context.account().projects else None,
        scope=args.get("scope") or None,
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None,
        limit=_PAGE_SIZE + 1,
        ticks_since=context.services().clock() - session_views.WEEK,
    )


def _filters(asked: _Asked) -> tuple[Filter, ...]:
    args, account = request.args, context.account()

    def chosen(name: str, options: Any) -> tuple[Choice, ...]:
        return tuple(Choice(value=value, words=words, chosen=value == args.get(name)) for value, words in options)

    named = plain_name(asked.apps[0][2]) if asked.apps and len(asked.apps) == 1 else args.get("client", "")[:200]
    return (
        Filter(name="user", label="Person", value=args.get("user", "")[:200], hint="Name or email"),
        Filter(name="client", label="App", value=named, hint="Name or client ID"),
        Filter(name="project", label="Project", options=chosen("project", account.projects.items()), any_words="All projects"),
        Filter(name="scope", label="Scope", options=chosen("scope", [(code, code) for code in account.scopes]), any_words="Any scope"),
    )


def _pager(page: list[queries.SessionRow], *, more: bool) -> Pager:
    shown = sum(1 for row in page if row.status == "active")
    kept = _kept()
    here = url_for("settings.sessions.list")
    return Pager(
        words=counted(shown, "session") + (", newest first" if shown > 1 else ""),
        older=f"{here}?{urlencode([*kept, ('before', page[-1].created_position)])}" if more and page else "",
        newer=f"{here}?{urlencode(kept)}".rstrip("?") if request.args.get("before") else "",
        newer_words="Newest",
    )


def _revoke_all(conn: Any, asked: _Asked) -> tuple[RevokeAll, ...]:
    """For the one person and the one app that the list is filtered by, where they have any session."""
    ways: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
    if asked.people and len(asked.people) == 1:
        person = asked.people[0]
        ways.append((person.name or "this person", {"user": person.member_id}, {"member_id": person.member_id}))
    if asked.apps and len(asked.apps) == 1:
        fingerprint, page_id, name = asked.apps[0]
        ways.append((plain_name(name), {"client": page_id}, {"fingerprint": fingerprint}))
    counts = [(words, query, queries.session_counts(conn, context.account_id(), **of).active) for words, query, of in ways]
    return tuple(
        RevokeAll(f"Revoke {counted(count, 'session')} of {words}" if count == 1 else f"Revoke all {counted(count, 'session')} of {words}",
                  url_for("settings.sessions.revoke_all", **query))
        for words, query, count in counts if count
    )  # fmt: skip


def _ended_for_reuse(conn: Any) -> tuple[EndedSession, ...]:
    """Sessions that a spent token ended, listed for thirty days."""
    since = context.services().clock() - _LISTED_FOR
    found = entries(conn, context.account_id(), since=since, event_type=_REUSE, limit=_ENDED_SHOWN)
    return tuple(ended for entry in found if entry.grant_id and (ended := _ended(conn, entry.grant_id, entry)))


def _ended(conn: Any, grant_id: str, entry: AuditEntry) -> EndedSession | None:
    account_id, grace = context.account_id(), context.account().session_policy.refresh_grace
    row = queries.session(conn, account_id, grant_id, ticks_since=entry.created_at - session_views.WEEK)
    before = entries(conn, account_id, grant_id=grant_id, event_type="refresh_token.issued", before_position=entry.position, limit=1)
    return None if row is None else session_views.ended_for_reuse(row, entry, last_address=before[0].actor_ip if before else None, grace=grace)


def of_one(conn: Any, user: str, client: str) -> tuple[str, dict[str, Any], bool]:
    """The person or app whose sessions are all meant: the name, how the views find it, and whether it is an app."""
    if client:
        row = integrations.integration(conn, context.account_id(), client) if len(client) <= 300 else None
        if row is not None:
            return row.name, {"fingerprint": row.fingerprint}, True
    elif user:
        person = member(conn, context.account_id(), user)
        if person is not None:
            return person.name or person.email or "an erased member", {"member_id": person.member_id}, False
    raise NotFound("There is no such person or app in this account.")
