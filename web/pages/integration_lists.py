"""The integrations' two tables: what is searched, sorted and filtered stands in the URL, a page of rows at a time."""

from __future__ import annotations

from typing import Any, Final, cast
from urllib.parse import urlencode

from flask import request, url_for

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
    search, status, sort = _asked()
    account = context.account()
    found = {kind: _find(conn, kind, search, status, sort, _page(parameter)) for kind, parameter in _TABLES}
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
        endpoints=endpoints(context.services()),
        policy=account.registration_policy.registration if account.has_apps else "plan",
        may_manage=signed_in().may_manage,
        search=search,
        statuses=tuple(Choice(value=value, words=words, chosen=value == status) for value, words in _STATUSES),
        sorts=tuple(Choice(value=value, words=words, chosen=value == sort) for value, words in _SORTS),
        headings={value: SortLink(words, _url(sort=value), value == sort) for value, words in _HEADINGS.items()},
        filtered=bool(search or status),
        waiting=tuple(
            WaitingApp(page_id=row.client_stream, name=plain_name(row.name), asked_by=asked.get(row.fingerprint, "")) for row in waiting.rows
        ),
        waiting_in_all=waiting.total,
    )


def _asked() -> tuple[str, str, queries.Sort]:
    """What the URL asks for; anything unknown is left out."""
    args = request.args
    status, sort = args.get("status", ""), args.get("sort", "")
    known = {value for value, _ in _SORTS}
    return (
        args.get("q", "").strip()[:200],
        status if status in dict(_STATUSES) else "",
        cast("queries.Sort", sort if sort in known else "used"),
    )


def _page(parameter: str) -> int:
    text = request.args.get(parameter, "")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _find(conn: Any, kind: Any, search: str, status: Any, sort: queries.Sort, page: int) -> Found:
    found = queries.find_integrations(
        conn, context.account_id(), registration=kind, search=search, status=status or None, sort=sort, offset=(page - 1) * PAGE, limit=PAGE
    )
    return found if found.rows or page == 1 else _find(conn, kind, search, status, sort, 1)


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
    kept = {name: request.args.get(name, "") for name in ("q", "status", "sort", *(() if "sort" in changed else ("page", "manual")))}
    query = {name: value for name, value in {**kept, **changed}.items() if value not in ("", "used", 1)}
    return f"{url_for('settings.integrations.list')}?{urlencode(query)}".rstrip("?")
