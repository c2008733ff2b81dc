"""Typed reads of consents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from projections.connection import Connection
from projections.consents import view


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """What a member allows a client, as the last decision left it. `projects` None means all; `text` is the SHA-256 of what was shown.

    `given_position` is the event of the receipt; `given_at` None where it was only ever refused. `ended_*` are of a withdrawal in force.
    """

    consent_id: str
    member_id: str
    member_name: str | None
    client_stream: str
    client_id: str | None
    client_name: str | None
    fingerprint: str | None
    in_force: bool
    version: int
    requested: tuple[str, ...]
    approved: tuple[str, ...]
    denied: tuple[str, ...]
    projects: tuple[str, ...] | None
    keep_alive: bool
    resource: str
    lifetimes: dict[str, int]
    text: str
    held: tuple[str, ...]
    grant_id: str | None
    given_at: datetime | None
    given_position: int | None
    changed_at: datetime
    changed_position: int
    refused_at: datetime | None
    refused_position: int | None
    ended_at: datetime | None
    ended_by: str | None
    ended_by_name: str | None
    ended_reason: str | None
    ended_position: int | None


def list_consents(
    connection: Connection,
    account_id: str,
    *,
    member_id: str | None = None,
    client_stream: str | None = None,
    fingerprint: str | None = None,
    in_force: bool | None = None,
    before: int | None = None,
    limit: int = 500,
) -> list[ConsentRow]:
    """Consents, last changed first; `before` is the last row's `changed_position`."""
    filters = {"member_id": member_id, "client_stream": client_stream, "fingerprint": fingerprint, "in_force": in_force, "before": before}
    return [_consent(row) for row in view.select(connection, account_id, limit=limit, **filters)]


def consent(connection: Connection, account_id: str, consent_id: str) -> ConsentRow | None:
    """One consent of this account."""
    rows = view.select(connection, account_id, limit=1, consent_id=consent_id)
    return _consent(rows[0]) if rows else None


def _consent(row: tuple[Any, ...]) -> ConsentRow:
    values = list(row)
    for i in (9, 10, 11, 17):
        values[i] = tuple(values[i])
    values[12] = None if values[12] is None else tuple(values[12])
    return ConsentRow(*values)
