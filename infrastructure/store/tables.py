"""The ordinary tables beside the events, in plain SQL, on whatever connection they are given."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation

from domain.errors import AlreadyExists
from infrastructure.store.erasure_tables import ErasureTables
from infrastructure.store.idempotency_tables import IdempotencyTables
from infrastructure.store.identity_tables import IdentityTables
from infrastructure.store.session_tables import SessionTables

_SIGNING_KEY = ("kid", "account_id", "use", "alg", "public_jwk", "private_wrapped", "status", "created_at", "activate_at", "retire_at")
_STATUS_TIME = {"published": "created_at", "active": "activate_at", "retired": "retire_at"}


class PostgresTables(SessionTables, IdempotencyTables, IdentityTables, ErasureTables):
    """`application.ports.Tables`. Each call is one statement: its own transaction, unless the connection is in one."""

    def add_account(self, account_id: str, slug: str, name: str) -> None:
        try:
            self._run("INSERT INTO accounts (account_id, slug, name) VALUES (%s, %s, %s)", account_id, slug, name)
        except UniqueViolation:
            raise AlreadyExists(f"There is an account {slug!r} already.", field="account") from None

    def accounts(self) -> list[tuple[str, str, str]]:
        return [(str(a), slug, name) for a, slug, name in self._run("SELECT account_id, slug, name FROM accounts ORDER BY slug")]

    def add_login(self, account_id: str, kind: str, issuer: str, key: bytes, member_id: str, secret: str | None) -> None:
        sql = "INSERT INTO logins (account_id, kind, issuer, key, member_id, secret) VALUES (%s, %s, %s, %s, %s, %s)"
        try:
            self._run(sql, account_id, kind, issuer, key, member_id, secret)
        except UniqueViolation:
            raise AlreadyExists("Somebody has this login already.", field="email") from None

    def login(self, account_id: str, kind: str, issuer: str, key: bytes) -> tuple[str, str | None] | None:
        sql = "SELECT member_id, secret FROM logins WHERE account_id = %s AND kind = %s AND issuer = %s AND key = %s"
        rows = self._run(sql, account_id, kind, issuer, key)
        return (str(rows[0][0]), rows[0][1]) if rows else None

    def set_login_secret(self, account_id: str, member_id: str, secret: str) -> None:
        sql = "UPDATE logins SET secret = %s, updated_at = now() WHERE account_id = %s AND member_id = %s AND kind = 'password'"
        self._run(sql, secret, account_id, member_id)

    def remove_logins(self, account_id: str, member_id: str) -> None:
        self._run("DELETE FROM logins WHERE account_id = %s AND member_id = %s", account_id, member_id)
        self._run("DELETE FROM directory_users WHERE account_id = %s AND member_id = %s", account_id, member_id)

    def members_with_login(self, account_id: str) -> list[str]:
        return [str(row[0]) for row in self._run("SELECT DISTINCT member_id FROM logins WHERE account_id = %s ORDER BY member_id", account_id)]

    def still_at(self, account_id: str, stream_id: UUID, version: int) -> bool:
        """Whether nothing newer stands on a stream. The lock holds until the transaction ends, and the look that follows it is taken
        with a snapshot of its own: whatever somebody committed who asked before is seen."""
        self._run("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", f"account admins {account_id}")
        return not self._run("SELECT 1 FROM events WHERE originator_id = %s AND originator_version > %s LIMIT 1", stream_id, version)

    def add_credential(self, credential_id: str, account_id: str, kind: str, owner: str, secret_hash: bytes) -> None:
        sql = "INSERT INTO credentials (id, account_id, kind, owner, secret_hash) VALUES (%s, %s, %s, %s, %s)"
        try:
            self._run(sql, credential_id, account_id, kind, owner, secret_hash)
        except UniqueViolation:
            raise AlreadyExists(f"There is a credential {credential_id} already.") from None

    def replace_credential(self, credential_id: str, secret_hash: bytes) -> None:
        self._run("UPDATE credentials SET secret_hash = %s WHERE id = %s", secret_hash, credential_id)

    def credential(self, credential_id: str) -> tuple[str, str, str, bytes] | None:
        rows = self._run("SELECT account_id, kind, owner, secret_hash FROM credentials WHERE id = %s", credential_id)
        return (str(rows[0][0]), rows[0][1], rows[0][2], bytes(rows[0][3])) if rows else None

    def remove_credentials(self, account_id: str, kind: str, owner: str) -> None:
        self._run("DELETE FROM credentials WHERE account_id = %s AND kind = %s AND owner = %s", account_id, kind, owner)

    def add_authorization_request(
        self, request_id: str, account_id: str, client_stream: str, parameters: dict[str, Any], expires_at: datetime
    ) -> None:
        sql = "INSERT INTO authorization_requests (id, account_id, client_id, parameters, expires_at) VALUES (%s, %s, %s, %s, %s)"
        self._run(sql, request_id, account_id, client_stream, json.dumps(parameters), expires_at)

    def authorization_request(self, request_id: str, now: datetime) -> dict[str, Any] | None:
        sql = """SELECT account_id, client_id, parameters, created_at FROM authorization_requests
        WHERE id = %s AND expires_at > %s AND decided_at IS NULL"""
        rows = self._run(sql, request_id, now)
        if not rows:
            return None
        account, client, parameters, created = rows[0]
        return {"account_id": str(account), "client_stream": str(client), "parameters": parameters, "created_at": created}

    def use_authorization_request(self, request_id: str, now: datetime) -> bool:
        sql = "UPDATE authorization_requests SET decided_at = %s WHERE id = %s AND expires_at > %s AND decided_at IS NULL RETURNING id"
        return bool(self._run(sql, now, request_id, now))

    def add_consent_text(self, sha256: bytes, language: str, body: str) -> None:
        self._run("INSERT INTO consent_texts (sha256, language, body) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", sha256, language, body)

    def consent_text(self, sha256: bytes) -> str | None:
        rows = self._run("SELECT body FROM consent_texts WHERE sha256 = %s", sha256)
        return str(rows[0][0]) if rows else None

    def add_signing_key(
        self, kid: str, account_id: str, use: str, alg: str, public_jwk: str, private_wrapped: bytes, now: datetime, activate_at: datetime
    ) -> None:
        sql = """INSERT INTO signing_keys (kid, account_id, use, alg, public_jwk, private_wrapped, status, created_at, activate_at)
        VALUES (%s, %s, %s, %s, %s, %s, 'published', %s, %s)"""
        self._run(sql, kid, account_id, use, alg, public_jwk, private_wrapped, now, activate_at)

    def signing_keys(self, account_id: str | None) -> list[dict[str, Any]]:
        """An account's keys; without one, those of all accounts."""
        columns, of_account = ", ".join(_SIGNING_KEY), "WHERE account_id = %s " if account_id else ""
        rows = self._run(f"SELECT {columns} FROM signing_keys {of_account}ORDER BY created_at, kid", *([account_id] if account_id else []))
        keys = [dict(zip(_SIGNING_KEY, row, strict=True)) for row in rows]
        return [{**k, "account_id": str(k["account_id"]), "private_wrapped": bytes(k["private_wrapped"])} for k in keys]

    def set_signing_key_status(self, kid: str, status: str, now: datetime) -> None:
        self._run(f"UPDATE signing_keys SET status = %s, {_STATUS_TIME[status]} = %s WHERE kid = %s", status, now, kid)

    def count(self, bucket: str, window_start: datetime, by: int = 1) -> int:
        sql = """INSERT INTO rate_counters AS c (bucket, window_start, count) VALUES (%s, %s, %s)
        ON CONFLICT (bucket, window_start) DO UPDATE SET count = c.count + excluded.count RETURNING count"""
        return int(self._run(sql, bucket, window_start, by)[0][0])

    def meta(self, key: str) -> str | None:
        rows = self._run("SELECT value FROM store_meta WHERE key = %s", key)
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        self._run("INSERT INTO store_meta (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)

    def keep_meta(self, key: str, value: str) -> str:
        self._run("INSERT INTO store_meta (key, value) VALUES (%s, %s) ON CONFLICT DO NOTHING", key, value)
        return str(self._run("SELECT value FROM store_meta WHERE key = %s", key)[0][0])

    def prune(self, now: datetime) -> None:
        """Expired rows are refused by their readers; a day later nobody asks about them any more."""
        before = now - timedelta(days=1)
        # Counters of all time begin long ago and stay.
        self._run("DELETE FROM rate_counters WHERE window_start < %s AND window_start > timestamptz '2001-01-01 00:00Z'", before)
        self._run("DELETE FROM authorization_requests WHERE expires_at < %s", before)
        self._run("DELETE FROM browser_sessions WHERE expires_at < %s", before)
        self._run("DELETE FROM sso_requests WHERE expires_at < %s", before)
        self._run("DELETE FROM setup_links WHERE expires_at < %s", before)
        self._run("DELETE FROM gateway_sessions WHERE last_seen_at < %s", now - timedelta(days=7))
        self._run("DELETE FROM idempotency_keys WHERE expires_at < %s", now)
