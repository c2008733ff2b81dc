"""All SQL that reads apps and clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from projections.connection import Connection
from projections.literals import clean, clean_values

# blocked wins over removed: a blocked app stays blocked for whatever registers next.
_STATUS = """CASE WHEN a.decision = 'blocked' THEN 'blocked' WHEN a.live = 0 THEN 'removed'
    WHEN a.waiting > 0 AND a.decision <> 'approved' THEN 'pending' ELSE 'active' END"""
_COLUMNS = """
SELECT f.client_stream::text, f.client_id, a.fingerprint, coalesce(nullif(f.name, ''), f.client_id), f.redirect_uris, f.registration, f.metadata,
    a.registrations, a.live, coalesce(u.users, 0),
    {status} AS status,
    a.verified, a.created_at, a.created_position, a.last_used_at, a.decision, a.decided_by::text, d.name, a.decided_at, a.decision_reason,
    a.decision_position, f.registered_by::text, r.name, f.reason,
    CASE WHEN a.live = 0 THEN a.removed_at END, CASE WHEN a.live = 0 THEN a.removed_by END, CASE WHEN a.live = 0 THEN a.removed_actor::text END,
    CASE WHEN a.live = 0 THEN x.name END, CASE WHEN a.live = 0 THEN a.removed_reason END""".replace("{status}", _STATUS)
_NAMES = """
LEFT JOIN views.members d ON d.member_id = a.decided_by
LEFT JOIN views.members r ON r.member_id = f.registered_by
LEFT JOIN views.members x ON x.member_id = a.removed_actor
"""
_LIST = (
    _COLUMNS
    + " FROM views.integrations a JOIN views.clients f ON f.client_stream = a.first_stream"
    + _NAMES
    + """LEFT JOIN ({users}) u ON u.fingerprint = a.fingerprint
WHERE a.account_id = %(account)s AND {filter}
ORDER BY {order} LIMIT %(limit)s
"""
)
_WAITING_FIRST = "(a.waiting > 0 AND a.live > 0 AND a.decision = 'undecided') DESC, a.last_used_at DESC NULLS LAST, a.created_position DESC"
_NEWEST_FIRST = "a.created_position DESC"

_USERS = """
SELECT c.fingerprint, count(DISTINCT k.member_id) AS users FROM views.consents k JOIN views.clients c USING (client_stream)
WHERE k.account_id = %(account)s AND k.in_force GROUP BY 1
"""
_USERS_OF_SOME = _USERS.replace("GROUP BY", "AND c.account_id = %(account)s AND c.fingerprint = ANY(%(fingerprints)s) GROUP BY")


def select(
    connection: Connection, account_id: str, *, registrations: Sequence[str] | None, removed: bool, before: int | None, limit: int
) -> list[tuple[Any, ...]]:
    """Apps: those that wait for approval first, then by last use; newest first before a position, where one is given."""
    conditions = ["true" if removed else "(a.live > 0 OR a.decision = 'blocked')"]
    if registrations is not None:
        conditions.append("f.registration = ANY(%(registrations)s)")
    if before is not None:
        conditions.append("a.created_position < %(before)s")
    query = _LIST.replace("{users}", _USERS).replace("{filter}", " AND ".join(conditions))
    query = query.replace("{order}", _WAITING_FIRST if before is None else _NEWEST_FIRST)
    named = None if registrations is None else list(registrations)
    values = {"account": account_id, "limit": limit, "registrations": named, "before": before}
    rows: list[tuple[Any, ...]] = connection.execute(query, values).fetchall()
    return rows


# Which apps and in which order; the rest is read for these alone.
_FOUND = (
    _COLUMNS
    + """, p.total
FROM (SELECT a.fingerprint, count(*) OVER () AS total, row_number() OVER (ORDER BY {order}) AS place
    FROM views.integrations a JOIN views.clients f ON f.client_stream = a.first_stream {counted}
    WHERE a.account_id = %(account)s AND {filter} ORDER BY place LIMIT %(limit)s OFFSET %(offset)s) p
JOIN views.integrations a ON a.account_id = %(account)s AND a.fingerprint = p.fingerprint
JOIN views.clients f ON f.client_stream = a.first_stream"""
    + _NAMES
    + """LEFT JOIN LATERAL (SELECT count(DISTINCT k.member_id) AS users FROM views.clients c JOIN views.consents k
    ON k.account_id = c.account_id AND k.client_stream = c.client_stream
    WHERE c.account_id = a.account_id AND c.fingerprint = a.fingerprint AND k.in_force) u ON true
ORDER BY p.place
"""
)
_SORTS = {
    "used": _WAITING_FIRST,
    "name": "lower(coalesce(nullif(f.name, ''), f.client_id)), a.created_position",
    "users": "coalesce(u.users, 0) DESC, a.created_position DESC",
    "created": _NEWEST_FIRST,
}
_SEARCH = """(strpos(lower(f.name), %(search)s) > 0
    OR EXISTS (SELECT FROM unnest(f.redirect_uris) v (url) WHERE strpos(lower(split_part(v.url, '/', 3)), %(search)s) > 0)
    OR EXISTS (SELECT FROM views.clients c
        WHERE c.account_id = a.account_id AND c.fingerprint = a.fingerprint AND strpos(lower(c.client_id), %(search)s) > 0))"""

_MAY = """EXISTS (SELECT FROM views.clients c JOIN views.consents k ON k.account_id = c.account_id AND k.client_stream = c.client_stream
    WHERE c.account_id = a.account_id AND c.fingerprint = a.fingerprint AND k.in_force AND %(scope)s = ANY(k.approved))"""


def find(
    connection: Connection,
    account_id: str,
    *,
    registrations: Sequence[str] | None,
    search: str,
    status: str | None,
    scope: str | None,
    sort: str,
    offset: int,
    limit: int,
) -> list[tuple[Any, ...]]:
    """A page of the apps that match, each row with how many there are in all as its last column."""
    conditions = ["(a.live > 0 OR a.decision = 'blocked')" if status is None else f"{_STATUS} = %(status)s"]
    if registrations is not None:
        conditions.append("f.registration = ANY(%(registrations)s)")
    if search:
        conditions.append(_SEARCH)
    if scope is not None:
        conditions.append(_MAY)
    counted = f"LEFT JOIN ({_USERS}) u ON u.fingerprint = a.fingerprint" if sort == "users" else ""
    query = _FOUND.replace("{order}", _SORTS[sort]).replace("{counted}", counted).replace("{filter}", " AND ".join(conditions))
    values = {
        "account": account_id, "limit": limit, "offset": offset, "registrations": None if registrations is None else list(registrations),
        "search": search.lower(), "status": status, "scope": scope,
    }  # fmt: skip
    rows: list[tuple[Any, ...]] = connection.execute(query, clean_values(values)).fetchall()
    return rows


_USED_LAST = """
SELECT f.client_id, coalesce(nullif(f.name, ''), f.client_id) FROM views.integrations a JOIN views.clients f ON f.client_stream = a.first_stream
WHERE a.account_id = %s AND (a.live > 0 OR a.decision = 'blocked') ORDER BY a.last_used_at DESC NULLS LAST, a.created_position DESC LIMIT %s
"""


def used_last(connection: Connection, account_id: str, limit: int) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = connection.execute(_USED_LAST, (account_id, limit)).fetchall()
    return rows


_WAITING = "SELECT count(*) FROM views.integrations WHERE account_id = %s AND waiting > 0 AND live > 0 AND decision = 'undecided'"


def waiting(connection: Connection, account_id: str) -> int:
    return int(connection.execute(_WAITING, (account_id,), prepare=True).fetchone()[0])


def select_some(connection: Connection, account_id: str, fingerprints: Sequence[str]) -> list[tuple[Any, ...]]:
    query = _LIST.replace("{users}", _USERS_OF_SOME).replace("{filter}", "a.fingerprint = ANY(%(fingerprints)s)").replace("{order}", _NEWEST_FIRST)
    values = {"account": account_id, "fingerprints": list(fingerprints), "limit": len(fingerprints)}
    rows: list[tuple[Any, ...]] = connection.execute(query, values).fetchall()
    return rows


def fingerprint_of(connection: Connection, account_id: str, client_id: str, client_stream: str | None) -> str | None:
    """The app of a client, named by client id or stream id."""
    query = "SELECT fingerprint FROM views.clients WHERE account_id = %s AND (client_id = %s OR client_stream = %s) LIMIT 1"
    row = connection.execute(query, (account_id, clean(client_id), client_stream)).fetchone()
    return None if row is None else row[0]


_REGISTRATIONS = """
SELECT c.client_stream::text, c.client_id, coalesce(nullif(c.name, ''), c.client_id), c.redirect_uris, c.registration, c.metadata, c.needs_approval,
    c.created_at, c.created_position, c.registered_by::text, c.reason, c.last_used_at, c.removed_at, c.removed_by, c.removed_reason
FROM views.clients c WHERE c.account_id = %s AND c.fingerprint = %s AND c.created_position < %s ORDER BY c.created_position DESC LIMIT %s
"""


def registrations(connection: Connection, account_id: str, fingerprint: str, before: int, limit: int) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.execute(_REGISTRATIONS, (account_id, fingerprint, before, limit)).fetchall()
    return rows


# The newest consent of each person, whichever of the app's registrations it is to.
_PEOPLE = """
SELECT k.member_id::text, m.name, m.role, k.requested, k.approved, k.projects, k.keep_alive, u.used_at, count(*) OVER ()
FROM (SELECT DISTINCT ON (k.member_id) k.* FROM views.clients c
    JOIN views.consents k ON k.account_id = c.account_id AND k.client_stream = c.client_stream
    WHERE c.account_id = %(account)s AND c.fingerprint = %(fingerprint)s AND k.in_force ORDER BY k.member_id, k.changed_position DESC) k
LEFT JOIN views.members m ON m.member_id = k.member_id
LEFT JOIN (SELECT s.member_id, max(coalesce(s.used_at, s.created_at)) AS used_at FROM views.clients c
    JOIN views.sessions s ON s.account_id = c.account_id AND s.client_stream = c.client_stream
    WHERE c.account_id = %(account)s AND c.fingerprint = %(fingerprint)s GROUP BY 1) u ON u.member_id = k.member_id
ORDER BY coalesce(u.used_at, 'epoch'::timestamptz + k.changed * interval '1 microsecond') DESC, k.member_id LIMIT %(limit)s OFFSET %(offset)s
"""


def people(connection: Connection, account_id: str, fingerprint: str, offset: int, limit: int) -> list[tuple[Any, ...]]:
    values = {"account": account_id, "fingerprint": fingerprint, "offset": offset, "limit": limit}
    rows: list[tuple[Any, ...]] = connection.execute(_PEOPLE, values).fetchall()
    return rows


_ASKED = """
SELECT q.client_stream::text, c.client_id, c.fingerprint, q.member_id::text, m.name, q.requested, q.reason, q.asked_at, q.position
FROM views.approval_requests q JOIN views.clients c USING (client_stream) LEFT JOIN views.members m ON m.member_id = q.member_id
WHERE q.account_id = %(account)s AND c.account_id = %(account)s AND c.fingerprint = ANY(%(fingerprints)s)
ORDER BY q.position DESC LIMIT %(limit)s
"""


def asked(connection: Connection, account_id: str, fingerprints: Sequence[str], limit: int) -> list[tuple[Any, ...]]:
    values = {"account": account_id, "fingerprints": list(fingerprints), "limit": limit}
    rows: list[tuple[Any, ...]] = connection.execute(_ASKED, values).fetchall()
    return rows


_UNUSED = """
SELECT client_stream::text FROM views.clients
WHERE account_id = %s AND registration = 'dynamic' AND removed_at IS NULL AND last_used_at IS NULL AND created_at < %s
    AND NOT EXISTS (SELECT FROM views.consents k WHERE k.account_id = clients.account_id AND k.client_stream = clients.client_stream AND k.in_force)
ORDER BY created_position LIMIT %s
"""


def unused(connection: Connection, account_id: str, registered_before: Any, limit: int) -> list[str]:
    rows = connection.execute(_UNUSED, (account_id, registered_before, limit)).fetchall()
    return [row[0] for row in rows]


_LATELY = """
WITH lately AS (
    SELECT DISTINCT ON (fingerprint) fingerprint, client_stream, client_id, name, metadata, created_at FROM views.clients
    WHERE account_id = %(account)s AND registration = 'dynamic' AND created_at >= %(since)s ORDER BY fingerprint, created_position DESC),
people AS (
    SELECT c.fingerprint, array_agg(DISTINCT k.member_id::text) AS members FROM views.consents k JOIN views.clients c USING (client_stream)
    WHERE k.account_id = %(account)s AND k.in_force AND c.fingerprint IN (SELECT fingerprint FROM lately) GROUP BY 1)
SELECT l.client_stream::text, l.client_id, coalesce(nullif(l.name, ''), l.client_id), l.metadata, l.created_at, a.decision, coalesce(p.members, '{}')
FROM lately l JOIN views.integrations a ON a.account_id = %(account)s AND a.fingerprint = l.fingerprint
LEFT JOIN people p ON p.fingerprint = l.fingerprint
WHERE a.decision <> 'blocked' ORDER BY l.created_at DESC LIMIT %(limit)s
"""


def registered_since(connection: Connection, account_id: str, since: Any, limit: int) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.execute(_LATELY, {"account": account_id, "since": since, "limit": limit}).fetchall()
    return rows
