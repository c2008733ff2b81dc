"""The table of idempotency keys: claimed before a call is carried out, marked with it, kept with its answer for a day."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime, timedelta
from typing import Any

from application.ports import KeptAnswer

LIFETIME = timedelta(days=1)
ABANDONED = timedelta(minutes=1)
"""A call without an answer after this time has died; if it recorded nothing, its key is free again."""

_CLAIM = """INSERT INTO idempotency_keys AS k (id, account_id, request, claimed_at, expires_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET request = excluded.request, done = false, answer = NULL, claimed_at = excluded.claimed_at,
    expires_at = excluded.expires_at
WHERE k.expires_at <= %s OR (NOT k.done AND k.answer IS NULL AND k.claimed_at <= %s) RETURNING id"""


class IdempotencyTables:
    """Mixed into the ordinary tables."""

    @abstractmethod
    def _run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]: ...

    def claim_idempotency_key(self, key_id: bytes, account_id: str, request: bytes, now: datetime) -> KeptAnswer | None:
        if self._run(_CLAIM, key_id, account_id, request, now, now + LIFETIME, now, now - ABANDONED):
            return None
        rows = self._run("SELECT request, done AND claimed_at <= %s, answer FROM idempotency_keys WHERE id = %s", now - ABANDONED, key_id)
        if not rows:  # released in between: whoever comes next may claim it
            return KeptAnswer(request, lost=False, answer=None)
        kept, lost, answer = rows[0]
        return KeptAnswer(bytes(kept), lost, None if answer is None else bytes(answer))

    def mark_idempotency_key(self, key_id: bytes) -> None:
        self._run("UPDATE idempotency_keys SET done = true WHERE id = %s", key_id)

    def keep_idempotent_answer(self, key_id: bytes, answer: bytes) -> None:
        self._run("UPDATE idempotency_keys SET done = true, answer = %s WHERE id = %s", answer, key_id)

    def release_idempotency_key(self, key_id: bytes) -> None:
        self._run("DELETE FROM idempotency_keys WHERE id = %s AND NOT done", key_id)
