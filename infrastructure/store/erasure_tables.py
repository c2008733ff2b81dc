"""What an erasure takes out of the ordinary tables and out of the rows that pages show, in the transaction of `member.erased`."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from datetime import date
from typing import Any

from projections.erasing import FENCE, statements

ERASED_CHANNEL = "grantbook_erased"
"""Told to every process whenever data keys are destroyed: whose, or nothing where they are many."""

REBUILD_DUE = "views.rebuild_due"
"""The key of `store_meta` that begins with `now` while the views show what expired keys had sealed, and with `soon` while their files may hold a
person's name in rows that were written over; empty otherwise. What follows tells one demand from the next."""
_REBUILD = """INSERT INTO store_meta (key, value) VALUES (%s, %s || pg_current_xact_id()::text) ON CONFLICT (key) DO UPDATE
SET value = CASE WHEN store_meta.value LIKE 'now%%' THEN 'now' || pg_current_xact_id()::text ELSE excluded.value END"""

# Names of quarters, and of days, come in the order of time.
_BEFORE = """SELECT k.kid, k.subject FROM subjects s JOIN subject_keys k USING (subject)
WHERE s.account_id = %s AND CASE WHEN k.period LIKE '%%Q%%' THEN k.period < %s ELSE k.period < %s END ORDER BY k.subject, k.kid"""
_OF_MEMBER = (
    # Counters of tries to sign in are named by a keyed hash of the login.
    """DELETE FROM rate_counters c USING logins l WHERE l.account_id = %s AND l.member_id = %s
    AND c.bucket LIKE 'sign-in:' || l.account_id || ':%%:' || encode(l.key, 'hex')""",
    "DELETE FROM subjects WHERE account_id = %s AND subject = %s",  # and every data key with it
    "DELETE FROM logins WHERE account_id = %s AND member_id = %s",
    "DELETE FROM directory_users WHERE account_id = %s AND member_id = %s",
    "DELETE FROM browser_sessions WHERE account_id = %s AND member_id = %s",
)
# Whose an answer kept for a repeated call is can't be told: all go. The call still isn't carried out twice.
_ANSWERS = "UPDATE idempotency_keys SET answer = NULL WHERE account_id = %s AND done AND answer IS NOT NULL"
_SAID = (
    "DELETE FROM authorization_requests WHERE account_id = %s AND strpos(lower(parameters::text), lower(%s)) > 0",
    "DELETE FROM sso_requests WHERE account_id = %s AND strpos(lower(next), lower(%s)) > 0",
)


class ErasureTables:
    """Mixed into the ordinary tables."""

    @abstractmethod
    def _run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]: ...

    def subject_kids(self, subject: str) -> tuple[str, ...]:
        return tuple(row[0] for row in self._run("SELECT kid FROM subject_keys WHERE subject = %s ORDER BY kid", subject))

    def keys_before(self, account_id: str, before: date) -> list[tuple[str, str]]:
        quarter = f"{before.year}Q{(before.month + 2) // 3}"
        return [(kid, subject) for kid, subject in self._run(_BEFORE, account_id, quarter, before.isoformat())]

    def destroy_keys(self, kids: Sequence[str]) -> None:
        """The views go on showing what was opened before, until they are built anew: that this is due is kept with it."""
        self._run("DELETE FROM subject_keys WHERE kid = ANY(%s)", list(kids))
        self._run(_REBUILD, REBUILD_DUE, "now")
        self._run("SELECT pg_notify(%s, '')", ERASED_CHANNEL)

    def set_directory_profile(self, account_id: str, member_id: str, profile: dict[str, Any]) -> None:
        self._run("UPDATE directory_users SET profile = %s WHERE account_id = %s AND member_id = %s", json.dumps(profile), account_id, member_id)

    def erase_member(self, account_id: str, member_id: str, said: Sequence[str]) -> None:
        """Everything of a member that is not an event. The views' rows follow the event anyway; here they don't wait for the projector."""
        for sql in _OF_MEMBER:
            self._run(sql, account_id, member_id)
        self._run(_ANSWERS, account_id)
        for text in said:
            for sql in _SAID:
                self._run(sql, account_id, text)
        self._run(FENCE)
        for sql in statements(self._run):
            self._run(sql, account_id, member_id)
        self._run(_REBUILD, REBUILD_DUE, "soon")
        self._run("SELECT pg_notify(%s, %s)", ERASED_CHANNEL, member_id)
