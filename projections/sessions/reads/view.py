"""All SQL that reads the sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from projections.connection import Connection
from projections.literals import clean_values

# The earliest of what ended it, of a recorded expiry, and of the expiries that the account's terms give now.
_LIST = """
SELECT s.grant_id::text, s.member_id::text, m.name, s.client_stream::text, s.client_id, coalesce(nullif(c.name, ''), s.client_id), c.fingerprint,
    s.consent_id::text, s.scopes, s.projects, s.resource, s.keep_alive, s.refreshable, s.created_at, s.created_position, s.issued_at, s.used_at,
    s.generation, s.refreshes, s.races, s.streak, s.user_agent, x.idle, x.absolute, s.access_expires_at,
    CASE WHEN e.at IS NOT NULL THEN 'ended' WHEN s.exchanged_at IS NULL THEN 'code' ELSE 'active' END,
    e.at, e.reason, e.by, e.actor::text, a.name, e.note, e.position
FROM views.sessions s
LEFT JOIN views.session_terms t USING (account_id)
LEFT JOIN views.members m ON m.member_id = s.member_id
LEFT JOIN views.clients c ON c.client_stream = s.client_stream
CROSS JOIN LATERAL (SELECT
    s.created_at + least(s.absolute_lifetime, t.absolute_lifetime) * interval '1 second' AS absolute,
    CASE WHEN s.keep_alive THEN coalesce(s.issued_at, s.created_at) + least(s.idle_window, t.idle_window) * interval '1 second' END AS idle,
    CASE WHEN s.exchanged_at IS NULL THEN s.created_at + least(s.code_ttl, t.code_ttl) * interval '1 second' END AS code,
    CASE WHEN NOT s.refreshable THEN s.access_expires_at END AS access) x
LEFT JOIN LATERAL (
    SELECT * FROM (VALUES
        (s.ended_at, s.ended_reason, s.ended_by, s.ended_actor, s.ended_note, s.ended_position),
        (s.expired_at, s.expired_which, 'system', NULL, NULL, NULL), (x.absolute, 'absolute', 'system', NULL, NULL, NULL),
        (x.idle, 'idle', 'system', NULL, NULL, NULL), (x.code, 'code', 'system', NULL, NULL, NULL),
        (x.access, 'access_token', 'system', NULL, NULL, NULL),
        (CASE WHEN NOT t.has_apps THEN now() END, 'plan', 'admin', NULL, NULL, NULL)) v (at, reason, by, actor, note, position)
    WHERE v.at <= now() ORDER BY v.at LIMIT 1) e ON true
LEFT JOIN views.members a ON a.member_id = e.actor
WHERE s.account_id = %(account)s AND {filter} ORDER BY s.created_position DESC LIMIT %(limit)s
"""

_FILTERS = {
    "member_id": "s.member_id = %(member_id)s",
    "client_stream": "s.client_stream = %(client_stream)s",
    "fingerprint": "s.client_stream IN (SELECT client_stream FROM views.clients WHERE account_id = %(account)s AND fingerprint = %(fingerprint)s)",
    "fingerprints": """s.client_stream IN (
        SELECT client_stream FROM views.clients WHERE account_id = %(account)s AND fingerprint = ANY(%(fingerprints)s))""",
    "grant_id": "s.grant_id = %(grant_id)s",
    "members": "s.member_id = ANY(%(members)s::uuid[])",
    "before": "s.created_position < %(before)s",
    "scope": "%(scope)s = ANY(s.scopes)",
    "project": "(s.projects IS NULL OR %(project)s = ANY(s.projects))",
}


def select(connection: Connection, account_id: str, *, live: bool | None, limit: int, **filters: Any) -> list[tuple[Any, ...]]:
    """Sessions newest first; `live` None takes all."""
    given = {name: value for name, value in filters.items() if value is not None}
    conditions = [_FILTERS[name] for name in given]
    if live is not None:
        conditions.append("s.ended_at IS NULL AND e.at IS NULL" if live else "e.at IS NOT NULL")
    query = _LIST.replace("{filter}", " AND ".join(conditions) or "true")
    rows: list[tuple[Any, ...]] = connection.execute(query, {"account": account_id, "limit": limit, **clean_values(given)}).fetchall()
    return rows


# Straight from the events of each grant: a tick costs nothing while it is written.
_TICKS = """
SELECT g.id::text, t.topic, p.at FROM unnest(%s::uuid[]) AS g (id) CROSS JOIN LATERAL (
    SELECT originator_version, topic FROM events WHERE originator_id = g.id AND topic = ANY(%s) ORDER BY originator_version DESC LIMIT %s) t
JOIN positions p ON p.originator_id = g.id AND p.originator_version = t.originator_version
WHERE p.at >= %s ORDER BY p.at
"""


def ticks(connection: Connection, grant_ids: Sequence[str], topics: Sequence[str], since: Any, limit: int) -> list[tuple[str, str, Any]]:
    rows: list[tuple[str, str, Any]] = connection.execute(_TICKS, (list(grant_ids), list(topics), limit, since)).fetchall()
    return rows


_COUNTS = """
SELECT count(*), count(DISTINCT member_id), count(*) FILTER (WHERE least(idle, absolute) < now() + interval '24 hours')
FROM (SELECT s.member_id, s.created_at + least(s.absolute_lifetime, t.absolute_lifetime) * interval '1 second' AS absolute,
        CASE WHEN s.keep_alive THEN s.issued_at + least(s.idle_window, t.idle_window) * interval '1 second' END AS idle
    FROM views.sessions s LEFT JOIN views.session_terms t USING (account_id)
    WHERE s.account_id = %(account)s AND {filter} AND s.ended_at IS NULL AND s.expired_at IS NULL AND s.issued_at IS NOT NULL
        AND (s.refreshable OR s.access_expires_at > now())) x
WHERE absolute > now() AND (idle IS NULL OR idle > now())
"""


def counts(connection: Connection, account_id: str, **filters: Any) -> tuple[int, int, int]:
    """Live sessions, the people who have them, and how many end within a day."""
    given = {name: value for name, value in filters.items() if value is not None}
    query = _COUNTS.replace("{filter}", " AND ".join(_FILTERS[name] for name in given) or "true")
    row: tuple[int, int, int] = connection.execute(query, {"account": account_id, **clean_values(given)}).fetchone()
    return row


# Sessions that are alive now, with their ends. A session's scopes are those that it was given; what it may do now is asked of the write side.
_LIVE = """
FROM views.sessions s LEFT JOIN views.session_terms t USING (account_id)
CROSS JOIN LATERAL (SELECT s.created_at + least(s.absolute_lifetime, t.absolute_lifetime) * interval '1 second' AS absolute,
    CASE WHEN s.keep_alive THEN s.issued_at + least(s.idle_window, t.idle_window) * interval '1 second' END AS idle) x
WHERE s.account_id = %(account)s AND s.ended_at IS NULL AND s.expired_at IS NULL AND s.issued_at IS NOT NULL
    AND (s.refreshable OR s.access_expires_at > now()) AND x.absolute > now() AND (x.idle IS NULL OR x.idle > now())
"""
_BY_SCOPE = f"SELECT given.code, count(*) {_LIVE.replace('WHERE', 'CROSS JOIN LATERAL unnest(s.scopes) AS given (code) WHERE', 1)} GROUP BY 1"
_PEOPLE = f"SELECT count(*), count(DISTINCT s.member_id) {_LIVE}"
_OVER_UNDER = f"""{_PEOPLE}
    AND (s.created_at + %(absolute)s * interval '1 second' <= now() OR (s.keep_alive AND s.issued_at + %(idle)s * interval '1 second' <= now()))"""
_HOLDING = f"""{_PEOPLE} AND (%(resource)s::text IS NULL OR s.resource = %(resource)s) AND (%(scopes)s::text[] IS NULL OR s.scopes && %(scopes)s)"""


def by_scope(connection: Connection, account_id: str) -> list[tuple[str, int]]:
    """How many live sessions have each scope."""
    rows: list[tuple[str, int]] = connection.execute(_BY_SCOPE, {"account": account_id}).fetchall()
    return rows


def over_under(connection: Connection, account_id: str, idle_window: int, absolute_lifetime: int) -> tuple[int, int]:
    """Live sessions that would be over with these lifetimes, and the people who have them."""
    values = {"account": account_id, "idle": idle_window, "absolute": absolute_lifetime}
    row: tuple[int, int] = connection.execute(_OVER_UNDER, values).fetchone()
    return row


def holding(connection: Connection, account_id: str, resource: str | None, scopes: Sequence[str] | None) -> tuple[int, int]:
    """Live sessions for the resource that have one of the scopes (None: whichever), and the people who have them."""
    values = {"account": account_id, "resource": resource, "scopes": None if scopes is None else list(scopes)}
    row: tuple[int, int] = connection.execute(_HOLDING, values).fetchone()
    return row


_EXPIRED = """
SELECT s.grant_id::text FROM views.sessions s JOIN views.session_terms t USING (account_id)
WHERE s.account_id = %(account)s AND s.ended_at IS NULL AND s.expired_at IS NULL AND (
    s.created_at + least(s.absolute_lifetime, t.absolute_lifetime) * interval '1 second' <= %(now)s
    OR (s.exchanged_at IS NULL AND s.created_at + least(s.code_ttl, t.code_ttl) * interval '1 second' <= %(now)s)
    OR (s.refreshable AND coalesce(s.issued_at, s.created_at) + least(s.idle_window, t.idle_window) * interval '1 second' <= %(now)s)
    OR (NOT s.refreshable AND s.access_expires_at <= %(now)s))
LIMIT %(limit)s
"""


def expired(connection: Connection, account_id: str, now: Any, limit: int) -> list[str]:
    rows = connection.execute(_EXPIRED, {"account": account_id, "now": now, "limit": limit}).fetchall()
    return [row[0] for row in rows]
