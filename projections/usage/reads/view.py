"""All SQL that reads the usage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from projections.connection import Connection
from projections.usage.projection import COUNTS

_COLUMNS = ", ".join(COUNTS)
_SUMS = ", ".join(f"sum({name})::bigint" for name in COUNTS)

_ACCOUNT_DAYS = f"""
SELECT day, {_COLUMNS}, sign_ins, failed_sign_ins FROM views.usage_account_days WHERE account_id = %s AND day >= %s ORDER BY day
"""

_APP_DAYS = f"""
SELECT u.day, {_SUMS}, 0::bigint, 0::bigint FROM views.clients c JOIN views.usage_days u USING (client_stream)
WHERE c.account_id = %s AND c.fingerprint = %s AND u.day >= %s GROUP BY 1 ORDER BY 1
"""


def account_days(connection: Connection, account_id: str, since: date) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.execute(_ACCOUNT_DAYS, (account_id, since)).fetchall()
    return rows


def app_days(connection: Connection, account_id: str, fingerprint: str, since: date) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.execute(_APP_DAYS, (account_id, fingerprint, since)).fetchall()
    return rows


_REQUESTS = """
SELECT c.fingerprint, u.day, sum(u.tokens + u.actions)::bigint FROM views.clients c JOIN views.usage_days u USING (client_stream)
WHERE c.account_id = %s AND c.fingerprint = ANY(%s) AND u.day >= %s GROUP BY 1, 2
"""


def requests(connection: Connection, account_id: str, fingerprints: Sequence[str], since: date) -> list[tuple[str, date, int]]:
    rows: list[tuple[str, date, int]] = connection.execute(_REQUESTS, (account_id, list(fingerprints), since)).fetchall()
    return rows


# A person counts once, whichever of an app's identical registrations they use.
_SCOPES = """
SELECT scope, count(*) FILTER (WHERE granted), count(*) FILTER (WHERE granted AND last_used_at >= %(since)s), max(last_used_at)
FROM (SELECT u.scope, u.member_id, bool_or(u.granted AND m.active AND c.removed_at IS NULL) AS granted, max(u.last_used_at) AS last_used_at
    FROM views.clients c JOIN views.usage_scopes u USING (client_stream) JOIN views.members m ON m.member_id = u.member_id
    WHERE c.account_id = %(account)s AND c.fingerprint = %(fingerprint)s GROUP BY 1, 2) x
GROUP BY 1 HAVING count(*) FILTER (WHERE granted) > 0
"""


def scopes(connection: Connection, account_id: str, fingerprint: str, since: datetime) -> list[tuple[str, int, int, datetime | None]]:
    values = {"account": account_id, "fingerprint": fingerprint, "since": since}
    rows: list[tuple[str, int, int, datetime | None]] = connection.execute(_SCOPES, values).fetchall()
    return rows


_UNUSED = """
SELECT a.first_stream::text, f.client_id, coalesce(nullif(f.name, ''), f.client_id), x.scope, count(*), max(x.last_used_at)
FROM (SELECT c.fingerprint, u.scope, u.member_id, max(u.last_used_at) AS last_used_at
    FROM views.usage_scopes u JOIN views.clients c USING (client_stream) JOIN views.members m ON m.member_id = u.member_id
    WHERE u.account_id = %(account)s AND u.granted AND u.scope = ANY(%(scopes)s) AND m.active AND c.removed_at IS NULL
    GROUP BY 1, 2, 3 HAVING min(u.granted_at) < %(before)s AND coalesce(max(u.last_used_at), '-infinity') < %(before)s) x
JOIN views.integrations a ON a.account_id = %(account)s AND a.fingerprint = x.fingerprint AND a.decision <> 'blocked'
JOIN views.clients f ON f.client_stream = a.first_stream
GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 3, 4
"""


def unused(connection: Connection, account_id: str, wanted: Sequence[str], before: datetime) -> list[tuple[Any, ...]]:
    values = {"account": account_id, "scopes": list(wanted), "before": before}
    rows: list[tuple[Any, ...]] = connection.execute(_UNUSED, values).fetchall()
    return rows
