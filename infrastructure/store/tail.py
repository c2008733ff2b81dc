"""Loading: cached aggregates brought up to date by one tail query, cold ones from the start or from a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any, TypeVar, cast
from uuid import UUID

from domain.access import Standing
from domain.account import Account
from domain.base import Stream
from domain.client import Client
from domain.consent import Consent
from domain.grant import Grant
from domain.ids import uuid_of
from domain.member import Member
from infrastructure.store import snapshots
from infrastructure.store.cache import AggregateCache
from infrastructure.store.connection import Connections
from infrastructure.store.fold import Folder, Row, rows_of
from infrastructure.store.keyring import Keyring
from infrastructure.store.prepared import BIGINT_OID, UUID_OID
from infrastructure.store.sealing import period_of
from infrastructure.store.statements import NEWEST_SNAPSHOTS, SNAPSHOT_AND_TAIL, TAIL_MANY, array_of, bigint, tail

TStream = TypeVar("TStream", bound=Stream)
ERASED = "member.erased"
_AT_ONCE = 200
"""Grants whose streams are read by one statement."""
_BY_PARTS = 8
"""More streams than that are told by arrays: each number of parts is a statement that every connection prepares and keeps."""


@lru_cache(maxsize=65_536)
def as_bytes(text: str) -> bytes:
    """The 16 bytes of an id's text."""
    return bytes.fromhex(text.replace("-", ""))


class Loader:
    """Reads streams for decisions. What it returns belongs to the caller: copies of what is cached, but for the four that a grant stands on."""

    def __init__(self, connections: Connections, folder: Folder, cache: AggregateCache, keyring: Keyring, clock: Callable[[], datetime]) -> None:
        self._connections, self._folder, self._cache = connections, folder, cache
        self._keyring, self._clock = keyring, clock

    def load(self, kind: type[TStream], stream_id: UUID) -> TStream | None:
        base = self._cache.get(stream_id)
        if base is None and kind is Grant:
            found: Stream | None = self._cold_grant(stream_id)
            return cast("TStream | None", found and found.copy())
        found = self._forward([(kind, stream_id)], [base])[0]
        return cast("TStream | None", found and found.copy())

    def load_many(self, wanted: Sequence[tuple[type[Stream], UUID]]) -> list[Any]:
        if not wanted:
            return []
        bases = [self._cache.get(stream_id) for _, stream_id in wanted]
        cold = [stream_id for (kind, stream_id), base in zip(wanted, bases, strict=True) if base is None and kind is Grant]
        if cold:
            known = self._from_snapshots(cold)
            bases = [known.get(stream_id) if base is None else base for (_, stream_id), base in zip(wanted, bases, strict=True)]
        return [f and f.copy() for f in self._forward(wanted, bases)]

    def standing(self, grant_id: UUID) -> Standing | None:
        grant = self._cache.get(grant_id) or self._cold_grant(grant_id)
        if not isinstance(grant, Grant):
            return None
        bases = [grant, *self._cache.get_many(_numbers(grant))]
        subject = None if self._keyring.has_current(grant.member_id, self._clock()) else grant.member_id
        newest, *shared = self._forward([(Grant, grant_id), *_others(grant)], bases, key_for=subject)
        return None if newest is None else _standing(newest.copy(), shared)

    def standings(self, grant_ids: Sequence[UUID]) -> list[Standing | None]:
        return [found for start in range(0, len(grant_ids), _AT_ONCE) for found in self._standings(grant_ids[start : start + _AT_ONCE])]

    def _standings(self, grant_ids: Sequence[UUID]) -> list[Standing | None]:
        bases = {grant_id: self._cache.get(grant_id) for grant_id in grant_ids}
        cold = [grant_id for grant_id, base in bases.items() if base is None]
        if cold:
            bases.update(zip(cold, self.load_many([(Grant, grant_id) for grant_id in cold]), strict=True))
        grants = {grant_id: base for grant_id, base in bases.items() if isinstance(base, Grant)}
        kinds: dict[UUID, type[Stream]] = dict.fromkeys(grants, Grant)
        kinds |= {stream_id: kind for grant in grants.values() for kind, stream_id in _others(grant)}
        if not grants:
            return [None for _ in grant_ids]
        wanted = [(kind, stream_id) for stream_id, kind in kinds.items()]
        moved = self._forward(wanted, [grants.get(stream_id) or self._cache.get(stream_id) for _, stream_id in wanted])
        newest = dict(zip(kinds, moved, strict=True))
        return [_standing_among(newest, grants.get(grant_id)) for grant_id in grant_ids]

    def cached_standing(self, grant_id: UUID) -> Standing | None:
        return self._with_cached(self._cache.get(grant_id))

    def standing_at_hand(self, grant_id: UUID) -> Standing | None:
        return self._with_cached(self._cache.get(grant_id) or self._cold_grant(grant_id))

    def _with_cached(self, grant: Stream | None) -> Standing | None:
        """A copy of the grant with the four that it stands on, as they are cached."""
        return _standing(grant.copy(), self._cache.get_many(_numbers(grant))) if isinstance(grant, Grant) else None

    def cached(self, kind: type[TStream], stream_id: UUID) -> TStream | None:
        found = self._cache.get(stream_id)
        return found.copy() if isinstance(found, kind) else None

    def _forward(
        self, wanted: Sequence[tuple[type[Stream], UUID]], bases: Sequence[Stream | None], *, key_for: str | None = None
    ) -> list[Stream | None]:
        """Copies of the bases moved on by one tail query; what moved is cached. `key_for` reads a member's data key along."""
        ids = [stream_id.int.to_bytes(16, "big") for _, stream_id in wanted]
        since = [bigint(0 if base is None else base.version) for base in bases]
        if len(wanted) > _BY_PARTS:
            statement, parameters = TAIL_MANY, [array_of(UUID_OID, ids), array_of(BIGINT_OID, since)]
        else:
            statement, parameters = tail(len(wanted), with_key=key_for is not None), list(chain.from_iterable(zip(ids, since, strict=True)))
        if key_for is not None:
            parameters += (key_for.encode(), period_of(key_for, self._clock()).encode())
        rows = rows_of(self._connections.run(statement, parameters))
        if not rows and all(base is not None for base in bases):
            return [base if isinstance(base, kind) else None for (kind, _), base in zip(wanted, bases, strict=True)]
        by_stream: dict[UUID | None, list[Row]] = {}
        for row in rows:
            by_stream.setdefault(row.stream_id, []).append(row)
        if key_for is not None:
            self._admit(key_for, by_stream.pop(None, []))
        return [self._moved(kind, base, by_stream.get(stream_id, ())) for (kind, stream_id), base in zip(wanted, bases, strict=True)]

    def _moved(self, kind: type[Stream], base: Stream | None, rows: Sequence[Row]) -> Stream | None:
        moved = self._folder.fold(kind, base, list(rows))
        if moved is None:
            return None
        if moved is not base:
            self._cache.put(moved)
            for row in rows:
                if row.topic == ERASED:
                    self._keyring.forget(str(row.stream_id))
        return moved

    def _admit(self, subject: str, rows: Sequence[Row]) -> None:
        for row in rows:
            kid, kek_id = row.topic.split(" ")
            self._keyring.admit(subject, self._clock(), kid, row.state, kek_id)

    def _from_snapshots(self, grant_ids: Sequence[UUID]) -> dict[UUID, Grant]:
        """Grants as their newest snapshots have them; those without a readable one are left out."""
        parameters = (snapshots.TOPIC.encode(), array_of(UUID_OID, [grant_id.bytes for grant_id in grant_ids]))
        rows = rows_of(self._connections.run(NEWEST_SNAPSHOTS, parameters))
        found = [grant for grant in map(snapshots.decode, rows) if grant is not None]
        for grant in found:
            self._cache.put(grant)
        return {grant.id: grant for grant in found}

    def _cold_grant(self, grant_id: UUID) -> Grant | None:
        """The grant from its snapshot and what came after it; None if there is no such grant."""
        parameters = (grant_id.bytes, snapshots.TOPIC.encode())
        rows = sorted(rows_of(self._connections.run(SNAPSHOT_AND_TAIL, parameters)), key=lambda r: r.version)
        base: Grant | None = None
        if rows and rows[0].topic == snapshots.TOPIC:
            base = snapshots.decode(rows.pop(0))
            if base is None:
                return cast("Grant | None", self._forward([(Grant, grant_id)], [None])[0])
        grant = self._folder.fold(Grant, base, rows)
        if grant is not None:
            self._cache.put(grant)
        return grant


_KINDS: tuple[type[Stream], ...] = (Consent, Client, Member, Account)
_number = attrgetter("int")


def _others(grant: Grant) -> tuple[tuple[type[Stream], UUID], ...]:
    return tuple(zip(_KINDS, map(uuid_of, _ids(grant)), strict=True))


def _numbers(grant: Grant) -> tuple[int, ...]:
    """The ids of the same, as the cache takes them."""
    return tuple(map(_number, map(uuid_of, _ids(grant))))


def _ids(grant: Grant) -> tuple[str, str, str, str]:
    return grant.consent_id, grant.for_client, grant.member_id, grant.account_id


def _standing_among(newest: Mapping[UUID, Stream | None], grant: Grant | None) -> Standing | None:
    """The standing of a grant among streams of several; the grant is a copy."""
    moved = None if grant is None else newest[grant.id]
    if grant is None or moved is None:
        return None
    return _standing(moved.copy(), [newest[stream_id] for _, stream_id in _others(grant)])


def _standing(grant: Stream, others: Sequence[Stream | None]) -> Standing | None:
    """The five states, or None if one of them is missing or of another kind."""
    if type(grant) is Grant and tuple(map(type, others)) == _KINDS:
        return Standing(grant, *cast("tuple[Consent, Client, Member, Account]", others))
    return None
