"""Who registered an app, who approved it, and whether that came before it was first used."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from domain.client import Client
from infrastructure.past.answers import Answer, Line, Past
from infrastructure.past.questions.asked import Asking
from infrastructure.past.states import States
from infrastructure.store.reader import PositionedEvent

_REGISTRATIONS = """
SELECT client_stream FROM views.clients WHERE account_id = %(account)s AND fingerprint = (
    SELECT fingerprint FROM views.clients WHERE account_id = %(account)s AND client_stream = %(client)s)"""
_FIRST_SESSION = """
SELECT grant_id FROM views.sessions WHERE account_id = %s AND client_stream = ANY(%s) AND exchanged_at IS NOT NULL AND created_position <= %s
ORDER BY created_position LIMIT 1"""
_DECISIONS = ("account.app_approved", "account.app_blocked", "account.app_unblocked", "account.app_verified")
_WORDS = {
    "client.registered": "registered", "client.metadata_changed": "changed", "client.removed": "removed", "account.app_approved": "approved",
    "account.app_blocked": "blocked", "account.app_unblocked": "unblocked", "account.app_verified": "verified", "grant.code_exchanged": "first used",
}  # fmt: skip


def approval(past: Past, asking: Asking) -> Answer:
    """The app's life up to a moment: all its registrations, the decisions about it, its first tokens. It holds no keys: its clients are public."""
    told = sorted((*_registered(past, asking), *_decided(past, asking), *_first_used(past, asking)), key=lambda t: t.position)
    names = past.names(t.event.actor_id for t in told)
    lines = tuple(_line(past, t, names) for t in told)
    return Answer("approval", asking.moment.position, asking.moment.at, _verdict(past, asking, told), lines)


def _line(past: Past, told: PositionedEvent, names: dict[str, str]) -> Line:
    event: Any = told.event
    word = "verification taken back" if told.topic == "account.app_verified" and not event.verified else _WORDS[told.topic]
    facts = {
        "what": word, "at": told.at, "by": names.get(event.actor_id or "", event.actor_id), "through": event.source,
        "address": past.opened(event.address, told), "client_stream": str(told.stream_id) if told.topic.startswith("client.") else None,
    }  # fmt: skip
    return Line(facts, {word: (told.position,)})


def _streams(past: Past, asking: Asking) -> list[UUID]:
    rows = past.connection.execute(_REGISTRATIONS, {"account": past.account_id, "client": asking.client_stream}).fetchall()
    return [row[0] for row in rows] or [UUID(str(asking.client_stream))]


def _registered(past: Past, asking: Asking) -> list[PositionedEvent]:
    return past.events(_streams(past, asking), asking.moment.position)


def _decided(past: Past, asking: Asking) -> list[PositionedEvent]:
    fingerprint = _client(past, asking, asking.moment.position)
    if fingerprint is None:
        return []
    decisions = past.events([UUID(past.account_id)], asking.moment.position, _DECISIONS)
    return [told for told in decisions if told.event.fingerprint == fingerprint.fingerprint]


def _client(past: Past, asking: Asking, position: int) -> Client | None:
    states, stream = States(past.connection, past.mapper, position), UUID(str(asking.client_stream))
    states.read([stream])
    return states.get(Client, stream)


def _first_used(past: Past, asking: Asking) -> list[PositionedEvent]:
    row = past.connection.execute(_FIRST_SESSION, (past.account_id, _streams(past, asking), asking.moment.position)).fetchone()
    return [] if row is None else past.events([row[0]], asking.moment.position, ["grant.code_exchanged"])[:1]


def _verdict(past: Past, asking: Asking, told: list[PositionedEvent]) -> str:
    client = _client(past, asking, asking.moment.position)
    if client is None:
        return "The app was not registered yet."
    approved = next((t for t in told if t.topic == "account.app_approved"), None)
    used = next((t for t in told if t.topic == "grant.code_exchanged"), None)
    if approved is None:
        needed = "An admin's approval is needed and was not given" if client.needs_approval else "No approval was needed, and none was given"
        return f"{needed}; the app {'was used' if used else 'was never used'}."
    if used is None:
        return "The app was approved and never used."
    return "The app was approved before it was first used." if approved.position < used.position else "No: the app was used before it was approved."
