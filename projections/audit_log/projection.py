"""The audit log: the entries that each event becomes, with actor, client, grant and context."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from projections.audit_log.event_types import TOPICS, TYPES
from projections.events import Event, PersonalReader, handle
from projections.literals import uuid_or_none

__all__ = ["TOPICS", "Entry", "Folded", "fold"]

Parts = Sequence[tuple[str, dict[str, Any]]]


@dataclass(slots=True)
class Entry:
    """What one event says in the audit log: `parts` are its lines, each an event type and a context.

    `subject_id` is the member concerned where that isn't the actor.
    """

    event: Event
    parts: Parts
    actor_type: str
    actor_id: str | None
    actor_ip: str | None
    client_stream: str | None
    subject_id: str | None
    grant_id: str | None
    service: str


@dataclass(frozen=True, slots=True)
class Folded:
    """New entries in order, and the members (account id, member id, position) whose addresses must go from the entries up to there."""

    entries: list[Entry]
    erased: list[tuple[str, str, int]]


def fold(events: Sequence[Event], reader: PersonalReader) -> Folded:
    """The entries of these events, in order."""
    folding = _Fold(reader)
    handle(events, dict.fromkeys(TOPICS, folding.entry))
    return Folded(folding.entries, folding.erased)


class _Fold:
    def __init__(self, reader: PersonalReader) -> None:
        self.reader = reader
        self.entries: list[Entry] = []
        self.erased: list[tuple[str, str, int]] = []

    def entry(self, event: Event) -> None:
        facts, topic = event.facts, event.topic
        split = _SPLIT.get(topic)
        parts = split(facts) if split else ((TYPES[topic][0], _context(facts)),)
        family = topic.partition(".")[0]
        actor_id, subject = _people(family, topic, event)
        if topic == "member.erased":
            self.reader.forget(event.stream_id)
            self.erased.append((event.account_id, event.stream_id, event.position))
        address = facts["address"]
        ip = None if address is None else self.reader.read(address, event.event_id)
        client = event.stream_id if family == "client" else facts["client_stream"] or facts.get("for_client")
        grant = event.stream_id if family == "grant" else uuid_or_none(facts.get("grant_id"))
        actor_type = _actor_type(actor_id, facts["source"], client)
        service = facts["resource"] if topic == "action.performed" else _SERVICES.get(family, family)
        self.entries.append(Entry(event, parts, actor_type, actor_id, ip, client, subject, grant, service))


_SERVICES = {"client": "oauth", "consent": "oauth", "grant": "oauth", "signing_key": "oauth", "member": "members", "sign_in": "sign-in"}

_STAMP = frozenset(("timestamp", "account_id", "actor_id", "client_stream", "source", "address", "user_agent", "salt", "originator_topic"))
_PERSONAL = ("name", "email", "contacts")


def _people(family: str, topic: str, event: Event) -> tuple[str | None, str | None]:
    """The acting member, and the member concerned if that is another."""
    facts = event.facts
    actor = facts["actor_id"]
    if topic == "sign_in.succeeded" or family == "consent":
        actor = actor or facts.get("member_id")
    concerned = event.stream_id if family == "member" else uuid_or_none(facts.get("member_id"))
    return actor, None if concerned == actor else concerned


def _actor_type(actor_id: str | None, source: str, client: str | None) -> str:
    if actor_id is not None:
        return "user"
    if source in ("system", "cli"):
        return "system"
    return "anonymous" if client is None else "client"


def _context(facts: dict[str, Any]) -> dict[str, Any]:
    """What the event says besides who, when and from where; nothing personal."""
    context = {k: v for k, v in facts.items() if k not in _STAMP}
    for name in _PERSONAL:
        if not isinstance(context.get(name, ""), str):
            del context[name]
    return context


def _access_token(facts: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    context = {"access_token_id": facts["access_token_id"], "access_token_ttl": facts["access_token_ttl"], "scope": facts["scope"]}
    context["judged"] = facts["judged"]
    return "access_token.issued", context


def _exchanged(facts: dict[str, Any]) -> Parts:
    access = _access_token(facts)
    return (access, ("refresh_token.issued", {"generation": facts["generation"]})) if facts["refreshable"] else (access,)


def _refreshed(facts: dict[str, Any]) -> Parts:
    return _access_token(facts), ("refresh_token.issued", {"generation": facts["generation"]})


def _replayed(facts: dict[str, Any]) -> Parts:
    return (
        ("access_token.issued", {"access_token_id": facts["access_token_id"]}),
        ("refresh_token.replayed", {"generation": facts["generation"], "streak": facts["streak"]}),
    )


def _given(facts: dict[str, Any]) -> Parts:
    shown = {"requested": facts["requested"], "resource": facts["resource"], "text": facts["text"]}
    return ("oauth_client.authorized", shown), ("oauth_client.authorization_approved", _context(facts))


def _refused(facts: dict[str, Any]) -> Parts:
    shown = {"requested": facts["requested"], "resource": facts["resource"], "text": facts["text"]}
    return ("oauth_client.authorized", shown), ("oauth_client.authorization_denied", _context(facts))


def _signed_in(facts: dict[str, Any]) -> Parts:
    return ((f"login.{facts['method']}.succeeded", _context(facts)),)


def _sign_in_failed(facts: dict[str, Any]) -> Parts:
    context = _context(facts)
    context.pop("login_key", None)
    return ((f"login.{facts['method']}.failed", context),)


def _reused(facts: dict[str, Any]) -> Parts:
    rotated_at = (_EPOCH + timedelta(microseconds=facts["rotated_at"])).isoformat().replace("+00:00", "Z")
    return (("refresh_token.reuse_detected", {**_context(facts), "rotated_at": rotated_at}),)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _keyless(event_type: str) -> Callable[[dict[str, Any]], Parts]:
    def split(facts: dict[str, Any]) -> Parts:
        context = _context(facts)
        context.pop("key_id", None)
        context.pop("code_challenge", None)
        return ((event_type, context),)

    return split


_SPLIT: dict[str, Callable[[dict[str, Any]], Parts]] = {
    "grant.code_issued": _keyless("authorization_code.issued"),
    "grant.code_exchanged": _exchanged,
    "grant.tokens_refreshed": _refreshed,
    "grant.refresh_replayed": _replayed,
    "grant.reuse_detected": _reused,
    "consent.given": _given,
    "consent.refused": _refused,
    "sign_in.succeeded": _signed_in,
    "sign_in.failed": _sign_in_failed,
}
