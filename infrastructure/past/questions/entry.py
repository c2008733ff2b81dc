"""Whether one entry of the record is whole and unaltered, and what its clock said."""

from __future__ import annotations

from typing import Any

from infrastructure.past.answers import Answer, Facts, Line, Past, seconds_between
from infrastructure.past.questions.asked import Asking
from infrastructure.store.reader import PositionedEvent
from infrastructure.store.verify import leaf_hash
from projections.audit_log.queries import AuditEntry
from projections.audit_log.queries import entry as audit_entries

_LEAF = """
SELECT p.leaf_hash, (SELECT min(size) FROM ledger_checkpoints WHERE size >= p.position), e.originator_id, e.originator_version, e.topic, e.state
FROM positions p LEFT JOIN events e ON e.originator_id = p.originator_id AND e.originator_version = p.originator_version
WHERE p.position = %s AND p.account_id = %s"""
_FAILED = (".failed", ".denied", "_denied", ".replayed", "reuse_detected")


def entry(past: Past, asking: Asking) -> Answer:
    """User, type, time, outcome, origin and object of each entry that the event gave (PCI DSS 10.2.2), and its hash, computed anew."""
    position = asking.event or asking.moment.position
    row = past.connection.execute(_LEAF, (position, past.account_id)).fetchone()
    if row is None:
        return Answer("entry", asking.moment.position, asking.moment.at, f"No: the account has no event {position:,}.", ())
    stored, checkpoint, *event = row
    if event[0] is None or leaf_hash(event[0], event[1], event[2], bytes(event[3])) != bytes(stored):
        says = f"No: event {position:,} is not what the ledger has the hash of. `grantbook ledger verify` says more."
        facts = {"type": event[2], "unaltered": False, "leaf_hash": bytes(stored).hex(), "first_checkpoint": checkpoint}
        return Answer("entry", asking.moment.position, asking.moment.at, says, (Line(facts, {"event": (position,)}),))
    (told,) = past.at([position])
    integrity = {"unaltered": True, "leaf_hash": bytes(stored).hex(), "first_checkpoint": checkpoint, "clock": _clock(told)}
    found = audit_entries(past.connection, past.account_id, position)
    lines = [Line({**_fields(one), **integrity}, {"event": (position,)}) for one in found]
    lines = lines or [Line({"type": told.topic, "time": told.at, **integrity}, {"event": (position,)})]
    return Answer("entry", asking.moment.position, asking.moment.at, _says(position, checkpoint), tuple(lines))


def _says(position: int, checkpoint: int | None) -> str:
    if checkpoint is None:
        return f"Event {position:,} is as it was recorded; no checkpoint holds it yet."
    return f"Event {position:,} is as it was recorded, and in every checkpoint since that of size {checkpoint:,}."


def _fields(entry: AuditEntry) -> Facts:
    failed = entry.event_type.endswith(_FAILED)
    return {
        "user": entry.actor_name or entry.actor_id or entry.actor_type, "type": entry.event_type, "time": entry.created_at,
        "outcome": "failed" if failed else "done", "origin": entry.actor_ip or entry.source,
        "object": entry.subject_id or entry.grant_id or entry.client_id or entry.account_id,
    }  # fmt: skip


def _clock(told: PositionedEvent) -> Facts:
    """The server's own clock; the ledger's time never goes back, so they differ where a clock did, or servers' clocks are apart."""
    event: Any = told.event
    return {"source": "the server that recorded it (UTC)", "recorded": event.timestamp, "ledger_ahead_s": seconds_between(event.timestamp, told.at)}
