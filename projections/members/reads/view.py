"""All SQL that reads the members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from projections.connection import Connection
from projections.literals import clean_values

_TIMES = {name: f"'epoch'::timestamptz + m.{name} * interval '1 microsecond'" for name in ("added", "deactivated", "last_sign_in")}

_LIST = (
    """
SELECT m.member_id::text, m.name, m.email, m.role, m.active, m.erased, m.permissions, {added}, m.added_by::text, m.added_how, m.added_position,
    m.changed_position, {deactivated}, m.deactivated_reason, {last_sign_in}
FROM views.members m WHERE m.account_id = %(account)s AND """.format(**_TIMES)
    + "{filter} ORDER BY {order} LIMIT %(limit)s"
)

_NAME = "lower(coalesce({m}.name, {m}.email, ''))"
_PLACE = f"({_NAME.format(m='m')}, m.member_id)"
_OF = f"(SELECT {_NAME.format(m='p')}, p.member_id FROM views.members p WHERE p.account_id = %(account)s AND p.member_id = %({{name}})s)"

_FILTERS = {
    "member_id": "m.member_id = %(member_id)s",
    "email": "lower(m.email) = lower(%(email)s)",
    "active": "m.active = %(active)s",
    "after": "m.added_position > %(after)s",
    "text": "(position(lower(%(text)s) IN lower(m.name)) > 0 OR position(lower(%(text)s) IN lower(m.email)) > 0)",
    "role": "m.role = %(role)s",
    "erased": "m.erased = %(erased)s",
    "behind": f"{_PLACE} > {_OF.format(name='behind')}",
    "ahead": f"{_PLACE} < {_OF.format(name='ahead')}",
}
_BY_NAME = f"{_NAME.format(m='m')}, m.member_id"
_BACKWARDS = f"{_NAME.format(m='m')} DESC, m.member_id DESC"


def select(connection: Connection, account_id: str, *, limit: int, order: str = "m.added_position", **filters: Any) -> list[tuple[Any, ...]]:
    """Members in the order they were added, unless `order` says otherwise."""
    given = {name: value for name, value in filters.items() if value is not None}
    query = _LIST.replace("{filter}", " AND ".join(_FILTERS[name] for name in given) or "true").replace("{order}", order)
    rows: list[tuple[Any, ...]] = connection.execute(query, {"account": account_id, "limit": limit, **clean_values(given)}).fetchall()
    return rows


def by_name(connection: Connection, account_id: str, *, limit: int, **filters: Any) -> list[tuple[Any, ...]]:
    """Members by name, from A to Z; `behind` and `ahead` name the member that the page before or after ends with."""
    if filters.get("ahead") is not None:
        return select(connection, account_id, limit=limit, order=_BACKWARDS, **filters)[::-1]
    return select(connection, account_id, limit=limit, order=_BY_NAME, **filters)


_COUNTS = """
SELECT count(*) FILTER (WHERE active), count(*) FILTER (WHERE NOT active AND NOT erased), count(*) FILTER (WHERE erased)
FROM views.members WHERE account_id = %s
"""


def counts(connection: Connection, account_id: str) -> tuple[int, int, int]:
    row: tuple[int, int, int] = connection.execute(_COUNTS, (account_id,)).fetchone()
    return row


# Blocked and removed apps are nobody's any more, though the consent stands.
_APPS = """
SELECT k.member_id::text, f.client_stream::text, min(coalesce(nullif(f.name, ''), f.client_id)), f.client_id, a.fingerprint
FROM views.consents k JOIN views.clients c ON c.client_stream = k.client_stream
JOIN views.integrations a ON a.account_id = k.account_id AND a.fingerprint = c.fingerprint
JOIN views.clients f ON f.client_stream = a.first_stream
WHERE k.account_id = %s AND k.member_id = ANY(%s::uuid[]) AND k.in_force AND c.removed_at IS NULL AND a.live > 0 AND a.decision <> 'blocked'
GROUP BY k.member_id, f.client_stream, f.client_id, a.fingerprint ORDER BY k.member_id, lower(min(coalesce(nullif(f.name, ''), f.client_id)))
"""


def apps(connection: Connection, account_id: str, member_ids: Sequence[str]) -> list[tuple[str, str, str, str, str]]:
    rows: list[tuple[str, str, str, str, str]] = connection.execute(_APPS, (account_id, list(member_ids))).fetchall()
    return rows


# Few kinds of member and of consent stand for many: what reaches a project is worked out once for each.
_HOLDINGS = "SELECT permissions, count(*) FROM views.members WHERE account_id = %s AND active GROUP BY permissions"
_ALLOWED = """
SELECT DISTINCT k.projects, c.fingerprint FROM views.consents k JOIN views.clients c ON c.client_stream = k.client_stream
JOIN views.integrations a ON a.account_id = k.account_id AND a.fingerprint = c.fingerprint
WHERE k.account_id = %s AND k.in_force AND c.removed_at IS NULL AND a.live > 0 AND a.decision <> 'blocked'
"""


def holdings(connection: Connection, account_id: str) -> list[tuple[dict[str, Any], int]]:
    """What active members hold, and how many hold just that."""
    rows: list[tuple[dict[str, Any], int]] = connection.execute(_HOLDINGS, (account_id,)).fetchall()
    return rows


def allowed(connection: Connection, account_id: str) -> list[tuple[list[str] | None, str]]:
    """Where (None: in all projects) and which app somebody allowed."""
    rows: list[tuple[list[str] | None, str]] = connection.execute(_ALLOWED, (account_id,)).fetchall()
    return rows
