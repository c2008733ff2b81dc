"""Finds every event about a member: those of their own streams, and those that name them as who acted or was concerned."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from infrastructure.bootstrap import App
from infrastructure.ledger.store import Connection
from infrastructure.store.reader import PositionedEvent, events_at
from projections.audit_log.queries import entries
from projections.consents.queries import list_consents
from projections.sessions.queries import list_sessions

MOST = 100_000
"""Sessions, or consents, of one person."""
_BATCH = 1_000
_OF_STREAMS = "SELECT position FROM positions WHERE originator_id = ANY(%s) AND account_id = %s"


def events_about(app: App, connection: Connection, account_id: str, member_id: str) -> Iterator[PositionedEvent]:
    """Each event once, the oldest first."""
    streams = [member_id, *_streams(connection, account_id, member_id)]
    found = {row[0] for row in connection.execute(_OF_STREAMS, ([UUID(s) for s in streams], account_id)).fetchall()}
    found.update(_named(connection, account_id, member_id))
    positions = sorted(found)
    for first in range(0, len(positions), _BATCH):
        yield from events_at(connection, app.store.mapper, account_id, positions[first : first + _BATCH])


def _streams(connection: Connection, account_id: str, member_id: str) -> Iterator[str]:
    """Consents and sessions of the person."""
    for consent in list_consents(connection, account_id, member_id=member_id, limit=MOST):
        yield consent.consent_id
    for session in list_sessions(connection, account_id, member_id=member_id, live_only=False, limit=MOST):
        yield session.grant_id


def _named(connection: Connection, account_id: str, member_id: str) -> Iterator[int]:
    after = 0
    while found := entries(connection, account_id, member=member_id, after_position=after, limit=_BATCH):
        yield from (entry.position for entry in found)
        after = max(entry.position for entry in found)
