"""The tables of browser sessions, of the gateway's MCP sessions and of set-up links."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from infrastructure.store.connection import Kept, plain

_SESSION = ("account_id", "member_id", "sign_in_id", "created_at", "last_seen_at", "expires_at", "authenticated_at")
_SELECT = f"SELECT {', '.join(_SESSION)} FROM browser_sessions"

Rows = list[tuple[Any, ...]]
Runner = Callable[[Callable[[Kept], Rows]], Rows]


class SessionTables:
    """`run` calls what it is given with a connection."""

    def __init__(self, run: Runner) -> None:
        self._on_connection = run

    def _run(self, sql: str, *parameters: Any) -> Rows:
        return self._on_connection(lambda kept: plain(kept, sql, parameters))

    def add_browser_session(
        self,
        id_hash: bytes,
        account_id: str,
        member_id: str,
        sign_in_id: UUID,
        now: datetime,
        expires_at: datetime,
        authenticated_at: datetime | None = None,
    ) -> None:
        sql = """INSERT INTO browser_sessions (id_hash, account_id, member_id, sign_in_id, created_at, last_seen_at, authenticated_at, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"""
        self._run(sql, id_hash, account_id, member_id, sign_in_id, now, now, authenticated_at or now, expires_at)

    def browser_session(self, id_hash: bytes) -> dict[str, Any] | None:
        rows = self._run(f"{_SELECT} WHERE id_hash = %s", id_hash)
        return _session(rows[0]) if rows else None

    def touch_browser_session(self, id_hash: bytes, now: datetime) -> None:
        self._run("UPDATE browser_sessions SET last_seen_at = %s WHERE id_hash = %s AND last_seen_at < %s", now, id_hash, now)

    def browser_sessions_of(self, account_id: str, member_id: str) -> list[dict[str, Any]]:
        rows = self._run(f"{_SELECT} WHERE account_id = %s AND member_id = %s ORDER BY created_at", account_id, member_id)
        return [_session(row) for row in rows]

    def remove_browser_session(self, id_hash: bytes) -> None:
        self._run("DELETE FROM browser_sessions WHERE id_hash = %s", id_hash)

    def remove_browser_sessions_of(self, account_id: str, member_id: str) -> None:
        self._run("DELETE FROM browser_sessions WHERE account_id = %s AND member_id = %s", account_id, member_id)

    def add_gateway_session(self, id_hash: bytes, account_id: str, grant_id: str, upstream_session: str) -> None:
        sql = "INSERT INTO gateway_sessions (id_hash, account_id, grant_id, upstream_session) VALUES (%s, %s, %s, %s)"
        self._run(sql, id_hash, account_id, grant_id, upstream_session)

    def gateway_session(self, id_hash: bytes) -> tuple[str, str] | None:
        """Grant and upstream's session; that it was asked for is noted now and then, so that what nobody uses can be swept."""
        sql = "SELECT grant_id, upstream_session, last_seen_at < now() - interval '1 hour' FROM gateway_sessions WHERE id_hash = %s"
        rows = self._run(sql, id_hash)
        if rows and rows[0][2]:
            self._run("UPDATE gateway_sessions SET last_seen_at = now() WHERE id_hash = %s", id_hash)
        return (str(rows[0][0]), str(rows[0][1])) if rows else None

    def remove_gateway_session(self, id_hash: bytes) -> None:
        self._run("DELETE FROM gateway_sessions WHERE id_hash = %s", id_hash)

    def add_setup_link(self, link_hash: bytes, now: datetime, expires_at: datetime) -> None:
        """Only the newest link counts: those not used yet are withdrawn."""
        self._run("UPDATE setup_links SET expires_at = %s WHERE used_at IS NULL AND expires_at > %s", now, now)
        self._run("INSERT INTO setup_links (hash, created_at, expires_at) VALUES (%s, %s, %s)", link_hash, now, expires_at)

    def setup_link_valid(self, link_hash: bytes, now: datetime) -> bool:
        return bool(self._run("SELECT 1 FROM setup_links WHERE hash = %s AND used_at IS NULL AND expires_at > %s", link_hash, now))

    def use_setup_link(self, link_hash: bytes, now: datetime) -> bool:
        sql = "UPDATE setup_links SET used_at = %s WHERE hash = %s AND used_at IS NULL AND expires_at > %s RETURNING hash"
        return bool(self._run(sql, now, link_hash, now))


def _session(row: tuple[Any, ...]) -> dict[str, Any]:
    session = dict(zip(_SESSION, row, strict=True))
    return {**session, "account_id": str(session["account_id"]), "member_id": str(session["member_id"])}
