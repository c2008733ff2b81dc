"""The integrations' two tables: what is searched, sorted and filtered stands in the URL, a page of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlencode

from flask import request, url_for

from domain.scopes import OFFLINE_ACCESS
from projections.integrations import queries
from projections.integrations.queries import Found
from projections.usage.queries import requests_by_day
from web.pages import context
from web.pages.app_words import plain_name
from web.pages.charts import spark
from web.pages.endpoints import endpoints
from web.pages.formatting import counted, number
from web.pages.integration_models import AppTable, IntegrationsView, SortLink, WaitingApp
from web.pages.integration_views import askers, table_row
from web.pages.models import Choice, Pager
from web.pages.scope_words import heading
from web.pages.session import signed_in

PAGE: Final = 50
DAYS: Final = 30
_WAITING_SHOWN: Final = 3
_STATUSES: Final = (("active", "Active"), ("pending", "Pending approval"), ("blocked", "Blocked"), ("removed", "Removed"))
_SORTS: Final = (("used", "Last used"), ("name", "Name"), ("users", "Users"), ("created", "Created"))
_HEADINGS: Final = {"name": "Name", "users": "Users", "created": "Created on", "used": "Last used on"}
_TABLES: Final = (("dynamic", "page"), ("manual", "manual"))
"""Which registrations a table holds, and the parameter of the URL that says which page of it."""


def view(conn: Any) -> IntegrationsView:
    asked_for, account = _asked(), context.account()
    found = {kind: _find(conn, kind, asked_for, _page(parameter)) for kind, parameter in _TABLES}
    waiting = queries.find_integrations(conn, context.account_id(), status="pending", limit=_WAITING_SHOWN)
    rows = [row for one in (*found.values(), waiting) for row in one.rows]
    prints = list(dict.fromkeys(row.fingerprint for row in rows))
    pending = list(dict.fromkeys(row.fingerprint for row in rows if row.status == "pending"))
    asked = askers(queries.approval_requests(conn, context.account_id(), pending))
    sparks = requests_by_day(conn, context.account_id(), prints, context.services().clock().date(), DAYS)
    tables = {
        kind: AppTable(
            rows=tuple(table_row(row, spark=spark(sparks.get(row.fingerprint)), asked=asked.get(row.fingerprint, "")) for row in found[kind].rows),
            total=found[kind].total,
            pager=_pager(found[kind], parameter),
        )
        for kind, parameter in _TABLES
    }
    return IntegrationsView(
        dynamic=tables["dynamic"],
        manual=tables["manual"],
        endpoints=endpoints(context.account(), context.services()),
        policy=account.registration_policy.registration if account.has_apps else "plan",
        may_manage=signed_in().may_manage,
        search=asked_for.search,
        statuses=_choices(_STATUSES, asked_for.status),
        scopes=_choices(((code, heading(code)) for code in _scopes()), asked_for.scope),
        sorts=_choices(_SORTS, asked_for.sort),
        headings={value: SortLink(words, _url(sort=value), value == asked_for.sort) for value, words in _HEADINGS.items()},
        filtered=bool(asked_for.search or asked_for.status or asked_for.scope),
        waiting=tuple(
            WaitingApp(page_id=row.client_stream, name=plain_name(row.name), asked_by=asked.get(row.fingerprint, "")) for row in waiting.rows
        ),
        waiting_in_all=waiting.total,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What the URL asks for; anything unknown is left out."""

    search: str
    status: queries.Status | None
    scope: str | None
    sort: queries.Sort


def _asked() -> Asked:
    args = request.args
    status, scope, sort = args.get("status", ""), args.get("scope", ""), args.get("sort", "")
    return Asked(
        args.get("q", "").strip()[:200],
        cast("queries.Status", status) if status in dict(_STATUSES) else None,
        scope if scope in _scopes() else None,
        cast("queries.Sort", sort if sort in dict(_SORTS) else "used"),
    )


def _scopes() -> list[str]:
    """What an app may be allowed, in the catalogue's order."""
    return [code for code in context.account().scopes if code != OFFLINE_ACCESS]


def _choices(options: Iterable[tuple[str, str]], chosen: str | None) -> tuple[Choice, ...]:
    return tuple(Choice(value=value, words=words, chosen=value == chosen) for value, words in options)


def _page(parameter: str) -> int:
    text = request.args.get(parameter, "")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _find(conn: Any, kind: Any, asked: Asked, page: int) -> Found:
    found = queries.find_integrations(
        conn, context.account_id(), registration=kind, search=asked.search, status=asked.status, scope=asked.scope, sort=asked.sort,
        offset=(page - 1) * PAGE, limit=PAGE,
    )  # fmt: skip
    return found if found.rows or page == 1 else _find(conn, kind, asked, 1)


def _pager(found: Found, parameter: str) -> Pager | None:
    """None where everything is shown."""
    if found.total <= len(found.rows):
        return None
    page = min(_page(parameter), (found.total - 1) // PAGE + 1)
    first = (page - 1) * PAGE
    return Pager(
        words=f"{number(first + 1)} to {number(first + len(found.rows))} of {counted(found.total, 'app')}",
        newer=_url(**{parameter: page - 1}) if page > 1 else "",
        older=_url(**{parameter: page + 1}) if first + len(found.rows) < found.total else "",
        older_words="Next",
        newer_words="Previous",
    )


def _url(**changed: Any) -> str:
    """This list with something changed; another sort begins at the first page."""
    kept = {name: request.args.get(name, "") for name in ("q", "status", "scope", "sort", *(() if "sort" in changed else ("page", "manual")))}
    query = {name: value for name, value in {**kept, **changed}.items() if value not in ("", "used", 1)}
    return f"{url_for('settings.integrations.list')}?{urlencode(query)}".rstrip("?")
