"""Builds one app's page: five numbers, who uses it, what is granted and used, its activity and everything it registered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec
from flask import request, url_for

from domain.account import Account
from domain.scopes import OFFLINE_ACCESS
from projections.integrations import queries
from projections.integrations.queries import IntegrationRow as Row
from projections.integrations.queries import Person
from projections.sessions.queries import SessionCounts, session_counts
from projections.usage.queries import Day, app_days, scope_use
from web.pages import context
from web.pages.app_words import is_local_only, without_loopback_port
from web.pages.charts import bar_chart, use_bars
from web.pages.formatting import counted, number
from web.pages.history import app_history
from web.pages.integration_models import Asked, IntegrationDetail, IntegrationUser, Registration, RegistrationsView
from web.pages.integration_views import actions, ended_line, mark, projects_words
from web.pages.models import Pager, Stat
from web.pages.people import names
from web.pages.scope_words import in_order
from web.pages.session import signed_in

METHODS: Final = {"manual": "Added by an admin", "dynamic": "Dynamic (RFC 7591)", "metadata_document": "Metadata document"}
DAYS: Final = 30
_PEOPLE_SHOWN: Final = 10
_PEOPLE_PAGE: Final = 100
_REGISTRATIONS_PAGE: Final = 50
_ASKED_SHOWN: Final = 10
_LABELS: Final = {
    "client_uri": "Homepage",
    "logo_uri": "Logo",
    "tos_uri": "Terms",
    "policy_uri": "Privacy policy",
    "software_id": "Software ID",
    "software_version": "Software version",
    "application_type": "Application type",
    "grant_types": "Grant types",
    "response_types": "Response types",
    "token_endpoint_auth_method": "Authenticates by",
}
_TOLD_ELSEWHERE: Final = frozenset({"client_name", "redirect_uris", "scope"})


def live_sessions(conn: Any, row: Row) -> SessionCounts:
    """The app's sessions that are active now, and the people who have them."""
    return session_counts(conn, context.account_id(), fingerprint=row.fingerprint)


def detail(conn: Any, row: Row) -> IntegrationDetail:
    account, account_id, now = context.account(), context.account_id(), context.services().clock()
    live, may_manage = live_sessions(conn, row), signed_in().may_manage
    people, people_pager, total = _people(conn, row, account)
    days = app_days(conn, account_id, row.fingerprint, now.date(), DAYS)
    uses = [(use.scope, use.granted, use.used) for use in scope_use(conn, account_id, row.fingerprint, now - timedelta(days=DAYS))]
    registered = tuple(str(row.metadata.get("scope") or "").split())
    by_policy = tuple(code for code, scope in account.scopes.items() if scope.dynamic and code != OFFLINE_ACCESS)
    return IntegrationDetail(
        page_id=row.client_stream,
        app=mark(row),
        status=row.status,
        local_only=is_local_only(tuple(row.redirect_uris)),
        client_id=row.client_id,
        method=METHODS[row.registration],
        client_type="Public, PKCE S256",
        redirect_urls=tuple(without_loopback_port(url) for url in row.redirect_uris),
        registrations=row.registrations,
        scopes=in_order(registered or by_policy),
        metadata=metadata_lines(row.metadata),
        created_at=row.created_at,
        stats=_stats(row, total, live, days),
        history=app_history(conn, account_id, row.client_id, names(conn, account_id), account.projects),
        users=people,
        users_in_all=total,
        people_pager=people_pager,
        sessions_in_all=live.active,
        use=use_bars(uses, total),
        activity=bar_chart("Requests", [day.day for day in days], [day.tokens + day.actions for day in days]),
        days=tuple(days),
        asked=_asked(conn, row) if row.status == "pending" else (),
        actions=actions(row, account, sessions=live.active, people=live.people) if may_manage else (),
        ended_line=ended_line(row),
        manual=row.registration == "manual",
        reason=row.reason or "",
        may_manage=may_manage,
    )


def _stats(row: Row, people: int, live: SessionCounts, days: Sequence[Day]) -> tuple[Stat, ...]:
    week = days[-7:]
    races = sum(day.races for day in week)
    return (
        Stat(label="People", words=number(people)),
        Stat(label="Active sessions", words=number(live.active)),
        Stat(label="Last used", at=row.last_used_at, words="never"),
        Stat(label="Refreshes, 7 days", words=number(sum(day.refreshes for day in week)), small=counted(races, "race") if races else ""),
        Stat(label=f"Reuse detected, {DAYS} days", words=number(sum(day.reuses for day in days))),
    )


def _people(conn: Any, row: Row, account: Account) -> tuple[tuple[IntegrationUser, ...], Pager | None, int]:
    """The last users first: ten of them, or the page that the URL asks for."""
    asked = request.args.get("people", "")
    page = min(int(asked), 10_000) if asked.isascii() and asked.isdigit() and len(asked) < 6 and int(asked) else 0
    offset, limit = ((page - 1) * _PEOPLE_PAGE, _PEOPLE_PAGE) if page else (0, _PEOPLE_SHOWN)
    found, total = queries.people(conn, context.account_id(), row.fingerprint, offset=offset, limit=limit)
    shown = tuple(_user(person, account.projects) for person in found)
    if not found or (not page and total <= len(found)):
        return shown, None, total

    def url(number_: int) -> str:
        return f"{url_for('settings.integrations.detail', page_id=row.client_stream, people=number_)}#who"

    more = offset + len(found) < total
    words = f"{number(offset + 1)} to {number(offset + len(found))} of {number(total)}" if page else f"{number(len(found))} of {number(total)}"
    return shown, Pager(
        words=words, newer=url(page - 1) if page > 1 else "", older=url(page + 1) if more else "", older_words="More" if page else "Show all",
        newer_words="Back",
    ), total  # fmt: skip


def _user(person: Person, projects: dict[str, str]) -> IntegrationUser:
    return IntegrationUser(
        name=person.name or "an erased member",
        role=person.role or "",
        scopes=in_order((*person.approved, OFFLINE_ACCESS) if person.keep_alive and OFFLINE_ACCESS in person.requested else person.approved),
        projects=projects_words(person.projects, projects) + ("" if person.keep_alive else ", keep alive off"),
        last_used_at=person.last_used_at,
        member_id=person.member_id,
    )


def _asked(conn: Any, row: Row) -> tuple[Asked, ...]:
    return tuple(
        Asked(
            person=found.member_name or "an erased member",
            scopes=in_order(found.requested),
            reason=found.reason or "",
            at=found.asked_at,
            position=found.position,
        )
        for found in queries.approval_requests(conn, context.account_id(), [row.fingerprint], _ASKED_SHOWN)
    )


def metadata_lines(metadata: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Every member that it registered, those with a name of ours first; what the page tells elsewhere is left out."""
    rest = [name for name in metadata if name not in _LABELS and name not in _TOLD_ELSEWHERE]
    return tuple(
        (_LABELS.get(name, name), _plainly(metadata[name])) for name in (*_LABELS, *sorted(rest)) if metadata.get(name) not in (None, "", [])
    )


def _plainly(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return msgspec.json.encode(value).decode()


def registrations_view(conn: Any, row: Row, before: int | None) -> RegistrationsView:
    """A page of the app's registrations, newest first."""
    found = queries.registrations(conn, context.account_id(), row.fingerprint, before=before, limit=_REGISTRATIONS_PAGE + 1)
    page = found[:_REGISTRATIONS_PAGE]

    def url(**query: Any) -> str:
        return url_for("settings.integrations.registrations", page_id=row.client_stream, **query)

    return RegistrationsView(
        page_id=row.client_stream,
        app=mark(row),
        total=row.registrations,
        rows=tuple(_registration(one) for one in page),
        pager=Pager(
            words=f"{counted(len(page), 'registration')} of {number(row.registrations)}, newest first",
            older=url(before=page[-1].created_position) if len(found) > len(page) else "",
            newer=url() if before is not None else "",
            newer_words="Newest",
        ),
    )


def _registration(row: queries.RegistrationRow) -> Registration:
    by = {"unused": "Removed, since nobody used it", "itself": "Removed by itself"}.get(row.removed_by or "", "Removed by an admin")
    return Registration(
        client_id=row.client_id,
        method=METHODS[row.registration],
        redirect_urls=row.redirect_uris,
        created_at=row.created_at,
        position=row.created_position,
        last_used_at=row.last_used_at,
        removed_at=row.removed_at,
        removed_words=by if row.removed_at else "",
    )
