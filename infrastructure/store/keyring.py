"""The data keys of subjects: made before their first use, kept a minute, gone with the subject."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from psycopg.errors import ForeignKeyViolation

from domain.base import Personal, Sealed
from infrastructure.store.cache import TimedCache
from infrastructure.store.connection import Connections, connections_for
from infrastructure.store.errors import SealingImpossible
from infrastructure.store.sealing import DataKey, EventKey, Wrapping, erased, period_of
from infrastructure.store.statements import DATA_KEY

CACHE_SECONDS = 60.0

_BEGIN = """INSERT INTO subjects (subject, account_id) SELECT %s, %s
WHERE NOT EXISTS (SELECT FROM events WHERE originator_id = %s) ON CONFLICT DO NOTHING"""
_MAKE = """INSERT INTO subject_keys (kid, subject, period, wrapped, kek_id)
SELECT %s, subject, %s, %s, %s FROM subjects WHERE subject = %s ON CONFLICT (subject, period) DO NOTHING"""
_BY_KID = "SELECT kid, subject, wrapped, kek_id FROM subject_keys WHERE kid = ANY(%s)"


class Keyring:
    """Seals and opens personal values. `wrapping_keys` are 32 bytes each, newest first. Thread-safe."""

    def __init__(self, dsn: str, wrapping_keys: tuple[bytes, ...], *, cache_size: int = 100_000) -> None:
        self._wrapping = Wrapping(wrapping_keys)
        self.connections: Connections = connections_for(dsn)
        self._current: TimedCache[tuple[str, str], DataKey] = TimedCache(cache_size, CACHE_SECONDS)
        self._by_kid: TimedCache[str, DataKey | bool | None] = TimedCache(cache_size, CACHE_SECONDS)

    @property
    def cached_keys(self) -> int:
        """How many data keys this process remembers."""
        return len(self._by_kid)

    def begin_subject(self, subject: str, stream_id: Any, account_id: str) -> None:
        """Admit a new subject, whose stream has no event yet. What was erased is never admitted again."""
        self.connections.query(_BEGIN, (subject, account_id, stream_id))

    def seal(self, personal: Personal, event_id: str, at: datetime) -> Sealed:
        """Seal under the subject's key of the event's time; an empty blob for a subject that is erased (or was never admitted)."""
        key = self.event_key(personal.subject, event_id, at)
        return erased(personal.subject) if key is None else key.seal(personal.text)

    def event_key(self, subject: str, event_id: str, at: datetime) -> EventKey | None:
        """The key of one event for a subject, made durable before it is returned; None if the subject is erased."""
        period = period_of(subject, at)
        key = self._current.get((subject, period))
        if key is None:
            key = self._found(subject, period) or self._made(subject, period)
            if key is None:
                return None
            self._current.put((subject, period), key)
        return key.for_event(event_id)

    def open(self, sealed: Sealed | None, event_id: str) -> str | None:
        """The text, or None: erased, or nothing there."""
        key = None if sealed is None else self.key_of(sealed, event_id)
        return None if key is None or sealed is None else key.open(sealed)

    def key_of(self, sealed: Sealed, event_id: str) -> EventKey | None:
        """The key that this value was sealed with, which opens nothing but this event's values of its subject; None once it is gone."""
        if not sealed.kid:
            return None
        key = self._by_kid.get(sealed.kid)
        if key is None:
            self.prefetch([sealed.kid])
            key = self._by_kid.get(sealed.kid)
        if not isinstance(key, DataKey) or key.subject != sealed.sub:
            return None
        return key.for_event(event_id)

    def prefetch(self, kids: Iterable[str]) -> None:
        """Read the data keys of many blobs by one statement; those that are gone are remembered as gone."""
        wanted = [kid for kid in set(kids) if kid and self._by_kid.get(kid) is None]
        if not wanted:
            return
        rows = {row[0]: row for row in self.connections.query(_BY_KID, (wanted,))}
        for kid in wanted:
            row = rows.get(kid)
            key = self._wrapping.unwrap(bytes(row[2]), row[3]) if row else None
            self._by_kid.put(kid, DataKey(kid, row[1], key) if row and key else False)

    def has_current(self, subject: str, at: datetime) -> bool:
        """Whether the key for sealing now is at hand without a query."""
        return self._current.get((subject, period_of(subject, at))) is not None

    def admit(self, subject: str, at: datetime, kid: str, wrapped: bytes, kek_id: str) -> None:
        """Keep a current key that was read along with something else."""
        self._current.put((subject, period_of(subject, at)), self._unwrapped(subject, kid, wrapped, kek_id))

    def forget(self, subject: str) -> None:
        """Drop the subject's keys from memory: it has been erased."""
        self._current.drop_if(lambda key, _: key[0] == subject)
        self._by_kid.drop_if(lambda _, key: isinstance(key, DataKey) and key.subject == subject)

    def forget_all(self) -> None:
        """Drop every key from memory: some are destroyed, and it is not known whose."""
        self._current.drop_if(lambda _, __: True)
        self._by_kid.drop_if(lambda _, __: True)

    def _found(self, subject: str, period: str) -> DataKey | None:
        found = self.connections.run(DATA_KEY, (subject.encode(), period.encode()))
        if not found.ntuples:
            return None
        kid, wrapped, kek_id = (found.get_value(0, column) or b"" for column in range(3))
        return self._unwrapped(subject, kid.decode(), wrapped, kek_id.decode())

    def _made(self, subject: str, period: str) -> DataKey | None:
        """Make the period's key if the subject exists; whoever was first made the one that counts."""
        key = secrets.token_bytes(32)
        try:
            self.connections.query(_MAKE, (secrets.token_hex(8), period, self._wrapping.wrap(key), self._wrapping.kek_id, subject))
        except ForeignKeyViolation:  # erased this very moment
            return None
        return self._found(subject, period)

    def _unwrapped(self, subject: str, kid: str, wrapped: bytes, kek_id: str) -> DataKey:
        key = self._wrapping.unwrap(wrapped, kek_id)
        if key is None:
            raise SealingImpossible(f"The data key {kid} is wrapped by {kek_id}, which GRANTBOOK_WRAPPING_KEYS does not hold.")
        return DataKey(kid, subject, key)
