"""Erasures carried out again: what a restored backup brought back of people whose erasure is recorded goes once more."""

from __future__ import annotations

from typing import Any

import psycopg

from infrastructure.database import cli_dsn, connect
from infrastructure.logs import get_logger
from infrastructure.store.erasure_tables import ERASED_CHANNEL

# A member's stream is short and begins with their id, so each is looked up by the primary key; the table of events is never scanned.
_HERE = """SELECT DISTINCT p.id FROM (SELECT subject::uuid AS id FROM subjects WHERE subject NOT LIKE 'account:%'
    UNION SELECT member_id FROM logins UNION SELECT member_id FROM directory_users UNION SELECT member_id FROM browser_sessions) p
CROSS JOIN LATERAL (SELECT FROM events e WHERE e.originator_id = p.id AND e.topic = 'member.erased' LIMIT 1) erased"""
_AGAIN = (
    "DELETE FROM subjects WHERE subject = ANY(%s::text[])",
    *(f"DELETE FROM {table} WHERE member_id = ANY(%s::uuid[])" for table in ("logins", "directory_users", "browser_sessions")),
)

log = get_logger("erasure")


def erase_again(dsn: str) -> None:
    """`replay` before anything is served from this database."""
    with connect(cli_dsn(dsn)) as connection:
        people = replay(connection)
    if people:
        log.warning("erasure.replayed", people=people)


def replay(connection: psycopg.Connection[Any]) -> int:
    """Erase again, in one transaction, everybody whose keys, login or sessions came back; how many people that were.

    `connection`: the web role's. Harmless to repeat, and needs no adopted order: it reads which events there are, not in which order.
    """
    with connection.transaction():
        found = [str(row[0]) for row in connection.execute(_HERE).fetchall()]
        if found:
            for sql in _AGAIN:
                connection.execute(sql.encode(), (found,))
            connection.execute("SELECT pg_notify(%s, '')", (ERASED_CHANNEL,))
    return len(found)
