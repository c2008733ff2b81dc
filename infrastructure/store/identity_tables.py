"""The tables of identity providers: client secrets, sign-ins under way, and what directories keep about people."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg.errors import UniqueViolation

from application.identity_ports import DirectoryUser, SignsInWith, SsoRequest
from domain.errors import AlreadyExists

_PEOPLE = """FROM (SELECT DISTINCT account_id, member_id FROM logins WHERE account_id = %s AND kind = 'password') l
LEFT JOIN directory_users d USING (account_id, member_id) WHERE d.deleted_at IS NULL"""
_SIGNING_IN = """SELECT l.member_id, bool_or(l.kind = 'password' AND l.secret IS NOT NULL), bool_or(l.kind = 'sso'),
    bool_or(d.member_id IS NOT NULL AND d.deleted_at IS NULL)
FROM logins l LEFT JOIN directory_users d USING (account_id, member_id)
WHERE l.account_id = %s AND l.member_id = ANY(%s::uuid[]) GROUP BY l.member_id"""
_USER = "SELECT member_id, profile, created_at, changed_at, deleted_at FROM directory_users"


class IdentityTables:
    """Mixed into the ordinary tables."""

    @abstractmethod
    def _run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]: ...

    # ---- the provider

    def set_provider_secret(self, account_id: str, provider_id: str, sealed: bytes | None) -> None:
        if sealed is None:
            self._run("DELETE FROM provider_secrets WHERE account_id = %s AND provider_id = %s", account_id, provider_id)
            return
        sql = """INSERT INTO provider_secrets (account_id, provider_id, sealed) VALUES (%s, %s, %s)
        ON CONFLICT (account_id, provider_id) DO UPDATE SET sealed = excluded.sealed, updated_at = now()"""
        self._run(sql, account_id, provider_id, sealed)

    def provider_secret(self, account_id: str, provider_id: str) -> bytes | None:
        rows = self._run("SELECT sealed FROM provider_secrets WHERE account_id = %s AND provider_id = %s", account_id, provider_id)
        return bytes(rows[0][0]) if rows else None

    def add_sso_request(self, state_hash: bytes, request: SsoRequest, expires_at: datetime) -> None:
        sql = """INSERT INTO sso_requests (state_hash, account_id, browser_hash, next, afresh, created_at, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s)"""
        self._run(sql, state_hash, request.account_id, request.browser_hash, request.next, request.afresh, request.created_at, expires_at)

    def use_sso_request(self, state_hash: bytes, account_id: str, now: datetime) -> SsoRequest | None:
        """The request, used up by this call; `spent` if it was before, None if there was none."""
        use = "UPDATE sso_requests SET used_at = %s WHERE state_hash = %s AND account_id = %s AND used_at IS NULL RETURNING 1"
        first = bool(self._run(use, now, state_hash, account_id))
        sql = "SELECT account_id, browser_hash, next, afresh, created_at, expires_at FROM sso_requests WHERE state_hash = %s AND account_id = %s"
        rows = self._run(sql, state_hash, account_id)
        if not rows:
            return None
        account, browser, wanted, afresh, created, expires = rows[0]
        return SsoRequest(str(account), bytes(browser), wanted, afresh, created, spent=not first, expired=now >= expires)

    # ---- logins

    def password_set(self, account_id: str, member_id: str) -> bool:
        sql = "SELECT 1 FROM logins WHERE account_id = %s AND member_id = %s AND kind = 'password' AND secret IS NOT NULL"
        return bool(self._run(sql, account_id, member_id))

    def sso_linked(self, account_id: str, member_id: str, issuer: str) -> bool:
        sql = "SELECT 1 FROM logins WHERE account_id = %s AND member_id = %s AND kind = 'sso' AND issuer = %s"
        return bool(self._run(sql, account_id, member_id, issuer))

    def signing_in(self, account_id: str, member_ids: Sequence[str]) -> dict[str, SignsInWith]:
        """By member; those without any login are missing."""
        rows = self._run(_SIGNING_IN, account_id, list(member_ids))
        return {str(row[0]): SignsInWith(*row[1:]) for row in rows}

    def remove_sso_logins(self, account_id: str, member_id: str) -> None:
        self._run("DELETE FROM logins WHERE account_id = %s AND member_id = %s AND kind = 'sso'", account_id, member_id)

    def move_login(self, account_id: str, member_id: str, key: bytes) -> None:
        sql = "UPDATE logins SET key = %s, updated_at = now() WHERE account_id = %s AND member_id = %s AND kind = 'password'"
        try:
            self._run(sql, key, account_id, member_id)
        except UniqueViolation:
            raise AlreadyExists("Somebody has this login already.", field="email") from None

    # ---- browser sessions

    def remove_browser_session_of(self, account_id: str, member_id: str, sign_in_id: str) -> None:
        sql = "DELETE FROM browser_sessions WHERE account_id = %s AND member_id = %s AND sign_in_id = %s"
        self._run(sql, account_id, member_id, sign_in_id)

    def remove_browser_sessions_but_of(self, account_id: str, member_ids: Sequence[str]) -> None:
        self._run("DELETE FROM browser_sessions WHERE account_id = %s AND member_id <> ALL(%s::uuid[])", account_id, list(member_ids))

    # ---- the directory

    def put_directory_user(
        self, account_id: str, member_id: str, *, user_name_key: bytes, external_id_key: bytes | None, profile: dict[str, Any], now: datetime
    ) -> None:
        """What the directory says about a person now; someone that it had deleted is there again."""
        sql = """INSERT INTO directory_users (account_id, member_id, user_name_key, external_id_key, profile, created_at, changed_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (account_id, member_id) DO UPDATE SET user_name_key = excluded.user_name_key,
        external_id_key = excluded.external_id_key, profile = excluded.profile, changed_at = excluded.changed_at, deleted_at = NULL"""
        try:
            self._run(sql, account_id, member_id, user_name_key, external_id_key, json.dumps(profile), now, now)
        except UniqueViolation:
            raise AlreadyExists("Somebody has this userName already.", field="userName") from None

    def touch_directory_user(self, account_id: str, member_id: str, now: datetime) -> None:
        self._run("UPDATE directory_users SET changed_at = %s WHERE account_id = %s AND member_id = %s", now, account_id, member_id)

    def delete_directory_user(self, account_id: str, member_id: str, user_name_key: bytes, now: datetime) -> None:
        """The directory deleted this person, whether it had made them or not."""
        sql = """INSERT INTO directory_users (account_id, member_id, user_name_key, profile, created_at, changed_at, deleted_at)
        VALUES (%s, %s, %s, '{}', %s, %s, %s) ON CONFLICT (account_id, member_id) DO UPDATE SET changed_at = %s, deleted_at = %s"""
        self._run(sql, account_id, member_id, user_name_key, now, now, now, now, now)

    def directory_user(self, account_id: str, member_id: str) -> DirectoryUser | None:
        return _first(self._run(f"{_USER} WHERE account_id = %s AND member_id = %s", account_id, member_id))

    def directory_user_named(self, account_id: str, user_name_key: bytes) -> DirectoryUser | None:
        return _first(self._run(f"{_USER} WHERE account_id = %s AND user_name_key = %s AND deleted_at IS NULL", account_id, user_name_key))

    def directory_users_with(self, account_id: str, external_id_key: bytes) -> list[DirectoryUser]:
        sql = f"{_USER} WHERE account_id = %s AND external_id_key = %s AND deleted_at IS NULL ORDER BY member_id"
        return [_user(row) for row in self._run(sql, account_id, external_id_key)]

    def count_directory(self, account_id: str) -> int:
        return int(self._run(f"SELECT count(*) {_PEOPLE}", account_id)[0][0])

    def directory_page(self, account_id: str, offset: int, limit: int) -> list[tuple[str, DirectoryUser | None]]:
        """Everyone who has a login here, by id; None beside those whom the directory has never named."""
        columns = "l.member_id, d.profile, d.created_at, d.changed_at, d.deleted_at"
        rows = self._run(f"SELECT {columns} {_PEOPLE} ORDER BY l.member_id OFFSET %s LIMIT %s", account_id, offset, limit)
        return [(str(row[0]), None if row[1] is None else _user(row)) for row in rows]


def _first(rows: list[tuple[Any, ...]]) -> DirectoryUser | None:
    return _user(rows[0]) if rows else None


def _user(row: tuple[Any, ...]) -> DirectoryUser:
    member_id, profile, created, changed, deleted = row
    return DirectoryUser(str(member_id), dict(profile), created, changed, deleted is not None)
