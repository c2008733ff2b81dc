"""ETags of what can be changed, and If-Match checked where it counts: on the very state that the change is decided and appended on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec
from flask import g, request

from application.ports import Recorded, Store, Tables
from application.services import Services
from domain.base import Stream
from web.api import context
from web.api.problems import Problem

TStream = TypeVar("TStream", bound=Stream)
TagOf = Callable[[Stream], str | None]
"""The current tag of what is to be changed, or None where this stream does not tell."""


def tag(*parts: Any) -> str:
    """A strong ETag of these values."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:24]


def changing(tag_of: TagOf | None = None) -> Services:
    """The services for a change: an append only follows a state with a tag that If-Match names, and marks the Idempotency-Key with it."""
    services = context.services()
    wanted = tag_of if request.if_match else None
    store = _Watching(services.store, wanted, g.get("api_idempotency"))
    return replace(services, store=cast(Store, store))


class _Watching:
    """The store, with an eye on what is loaded and appended."""

    def __init__(self, store: Store, tag_of: TagOf | None, key_id: bytes | None) -> None:
        self._store, self._tag_of, self._key_id = store, tag_of, key_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def load(self, kind: type[TStream], stream_id: UUID) -> TStream | None:
        found = self._store.load(kind, stream_id)
        current = None if found is None or self._tag_of is None else self._tag_of(found)
        if current is not None and not (request.if_match.star_tag or request.if_match.contains(current)):
            raise Problem("changed-meanwhile", "Read it again, then decide again.")
        return found

    def append(self, streams: Sequence[Stream], judged: Iterable[Stream] = (), *, also: Callable[[Tables], None] | None = None) -> Recorded:
        return self._store.append(streams, judged, also=self._marking(also))

    def append_ending(self, streams: Sequence[Stream], judged: Iterable[Stream] = (), *, also: Callable[[Tables], None] | None = None) -> Recorded:
        return self._store.append_ending(streams, judged, also=self._marking(also))

    def _marking(self, also: Callable[[Tables], None] | None) -> Callable[[Tables], None] | None:
        key_id = self._key_id
        if key_id is None:
            return also

        def both(tables: Tables) -> None:
            if also is not None:
                also(tables)
            tables.mark_idempotency_key(key_id)

        return both
