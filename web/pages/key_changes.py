"""Which key a change of a signing key was about: the event that puts one into use or retires it says so by its stream alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from infrastructure.store.reader import events_at
from projections.audit_log.queries import AuditEntry
from web.pages import context

_WORDS: Final = {"signing_key.activated": "put into use", "signing_key.retired": "retired"}


def with_keys(conn: Any, entries: Sequence[AuditEntry]) -> list[AuditEntry]:
    """The entries; those about keys with what the sentence needs (`kid`, `became`)."""
    unsaid = [entry.position for entry in entries if entry.event_type == "signing_key.rotated" and "kid" not in entry.event_context]
    if not unsaid:
        return list(entries)
    found = {event.position: event for event in events_at(conn, context.grantbook().store.mapper, context.account_id(), unsaid)}
    return [_told(entry, found.get(entry.position)) for entry in entries]


def _told(entry: AuditEntry, event: Any) -> AuditEntry:
    if event is None or event.topic not in _WORDS:
        return entry
    # A key's id is its stream's (`application.rotate_keys.new_key`).
    return replace(entry, event_context={**entry.event_context, "kid": event.stream_id.hex, "became": _WORDS[event.topic]})
