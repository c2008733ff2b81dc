"""Sessions as programs get them, from the API and from commands: each that a spent refresh token ended tells what its events say about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any
from uuid import UUID

from infrastructure.bootstrap import App
from infrastructure.past.answers import Past
from infrastructure.past.moments import head
from infrastructure.past.reuse import Reuse, reuses_of
from projections.sessions.queries import SessionRow


def with_reuse(app: App, connection: Any, account_id: str, rows: Iterable[SessionRow]) -> list[dict[str, Any]]:
    """The rows' own fields, and `reuse`: the detection that ended the session, or None."""
    past = Past(connection, app.store.mapper, app.keyring, account_id)
    return [{field.name: getattr(row, field.name) for field in fields(row)} | {"reuse": reuse_that_ended(past, row)} for row in rows]


def reuse_that_ended(past: Past, row: SessionRow) -> Reuse | None:
    """What a spent token's coming back looks like, where that ended the session."""
    if row.ended_reason != "reuse_detected":
        return None
    found = reuses_of(past, UUID(row.grant_id), row.ended_position or head(past.connection))
    return found[-1] if found else None
