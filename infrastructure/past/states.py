"""Streams as they were: folded from their events up to a position, by the events' own rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from domain.base import Stream
from infrastructure.past.moments import Connection
from infrastructure.store.mapper import EventMapper

TStream = TypeVar("TStream", bound=Stream)

# A rotation changes nothing that outlives the next one, so of each grant's the last is enough.
_EVENTS = """
SELECT s.id, e.originator_version, e.topic, e.state, p.position FROM unnest(%(streams)s::uuid[]) AS s (id)
JOIN events e ON e.originator_id = s.id AND e.topic <> 'grant.tokens_refreshed'
JOIN positions p ON p.originator_id = e.originator_id AND p.originator_version = e.originator_version
WHERE p.position <= %(position)s
UNION ALL
SELECT s.id, r.originator_version, 'grant.tokens_refreshed', r.state, r.position FROM unnest(%(grants)s::uuid[]) AS s (id)
CROSS JOIN LATERAL (
    SELECT e.originator_version, e.state, p.position FROM events e
    JOIN positions p ON p.originator_id = e.originator_id AND p.originator_version = e.originator_version
    WHERE e.originator_id = s.id AND e.topic = 'grant.tokens_refreshed' AND p.position <= %(position)s
    ORDER BY e.originator_version DESC LIMIT 1) AS r
ORDER BY 1, 2"""


class States:
    """Streams at one position, read together; and the position of each event that they were made from."""

    def __init__(self, connection: Connection, mapper: EventMapper, position: int) -> None:
        self._connection, self._mapper, self._position = connection, mapper, position
        self._streams: dict[UUID, Stream] = {}
        self._places: dict[tuple[UUID, int], int] = {}
        self.approvals: dict[str, int] = {}
        """Positions of the last approval of each app, by fingerprint."""

    def read(self, streams: Iterable[UUID], grants: Sequence[UUID] = ()) -> None:
        """Read streams, grants among them named once more."""
        given = {"streams": sorted({*streams, *grants}), "grants": sorted(set(grants)), "position": self._position}
        for stream_id, version, topic, state, position in self._connection.execute(_EVENTS, given):
            self._places[stream_id, version] = position
            event = self._fold(stream_id, version, topic, bytes(state))
            if topic == "account.app_approved":
                self.approvals[event.fingerprint] = position

    def get(self, kind: type[TStream], stream_id: UUID) -> TStream | None:
        """The stream as it was, or None if it had not begun."""
        found = self._streams.get(stream_id)
        return found if isinstance(found, kind) else None

    def place(self, stream_id: UUID, version: int) -> int:
        """The position of an event that was read."""
        return self._places[stream_id, version]

    def _fold(self, stream_id: UUID, version: int, topic: str, state: bytes) -> Any:
        event: Any = self._mapper.decode(stream_id, version, topic, state)
        before = self._streams.get(stream_id)
        if before is not None:
            before.version = version - 1  # rotations in between were left out
        self._streams[stream_id] = event.mutate(before)
        return event
