"""The audit log: the row that each event becomes, with actor, client, grant and context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from projections.audit_log.event_types import TOPICS, kind_of
from projections.events import NO_REASON, Event, PersonalReader, Reason, handle
from projections.literals import uuid_or_none

__all__ = ["TOPICS", "Entry", "Folded", "fold"]


@dataclass(slots=True)
class Entry:
    """The row of an event: `kind` says which entries it holds; `subject_id` is the member concerned where that isn't the actor.

    `reason` is what the actor typed, with the member whose erasure takes it away.
    """

    event: Event
    kind: str
    actor_type: str
    actor_id: str | None
    actor_ip: str | None
    client_stream: str | None
    subject_id: str | None
    grant_id: str | None
    service: str
    reason: Reason
    context: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Folded:
    """New rows in order, and the members (account id, member id, position) whose addresses and reasons must go from the entries up to there."""

    entries: list[Entry]
    erased: list[tuple[str, str, int]]


def fold(events: Sequence[Event], reader: PersonalReader) -> Folded:
    """The rows of these events, in order."""
    folding = _Fold(reader)
    handle(events, dict.fromkeys(TOPICS, folding.entry) | {_REFRESHED: folding.refreshed})
    return Folded(folding.entries, folding.erased)


class _Fold:
    def __init__(self, reader: PersonalReader) -> None:
        self.reader = reader
        self.entries: list[Entry] = []
        self.erased: list[tuple[str, str, int]] = []

    def entry(self, event: Event) -> None:
        facts, topic = event.facts, event.topic
        context = _context(facts)
        family = topic.partition(".")[0]
        actor_id, subject = _people(family, topic, event)
        if topic == "member.erased":
            self.reader.forget(event.stream_id)
            self.erased.append((event.account_id, event.stream_id, event.position))
        address = facts["address"]
        # Failures of earlier releases are sealed under the account; whoever was tried to be is erased from them all the same.
        theirs = topic == "sign_in.failed" and self.reader.is_erased(subject)
        ip = None if address is None or theirs else self.reader.read(address, event.event_id)
        client = event.stream_id if family == "client" else facts["client_stream"] or facts.get("for_client")
        grant = event.stream_id if family == "grant" else uuid_or_none(facts.get("grant_id"))
        reason = self.reader.reason(event) if isinstance(facts.get("reason"), dict) else NO_REASON
        actor_type = _actor_type(actor_id, facts["source"], client)
        service = facts["resource"] if topic == "action.performed" else _SERVICES.get(family, family)
        kind = kind_of(topic, facts)
        self.entries.append(Entry(event, kind, actor_type, actor_id, ip, client, subject, grant, service, reason, context))

    def refreshed(self, event: Event) -> None:
        """The commonest event: the same row, without looking at what it hasn't."""
        facts = event.facts
        actor_id, client, address = facts["actor_id"], facts["client_stream"], facts["address"]
        ip = None if address is None else self.reader.read(address, event.event_id)
        context = {name: facts[name] for name in _ISSUED}
        actor_type = _actor_type(actor_id, facts["source"], client)
        grant = event.stream_id
        self.entries.append(Entry(event, _REFRESHED_KIND, actor_type, actor_id, ip, client, None, grant, "oauth", NO_REASON, context))


_REFRESHED = "grant.tokens_refreshed"
_REFRESHED_KIND = kind_of(_REFRESHED, {})
_ISSUED = ("generation", "access_token_id", "access_token_ttl", "scope", "judged")
_SERVICES = {"client": "oauth", "consent": "oauth", "grant": "oauth", "signing_key": "oauth", "member": "members", "sign_in": "sign-in"}

_NOT_SHOWN = frozenset(
    (
        "timestamp",
        "account_id",
        "actor_id",
        "client_stream",
        "source",
        "address",
        "user_agent",
        "salt",
        "originator_topic",
        "key_id",
        "code_challenge",
        "login_key",
        "matter",
    )
)
_PERSONAL = ("name", "email", "contacts", "reason")


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
    """What the event says besides who, when and from where; nothing personal, no key, no hash of what was typed."""
    context = {k: v for k, v in facts.items() if k not in _NOT_SHOWN}
    if "rotated_at" in context:
        context["rotated_at"] = (_EPOCH + timedelta(microseconds=context["rotated_at"])).isoformat().replace("+00:00", "Z")
    for name in _PERSONAL:
        if not isinstance(context.get(name, ""), str):
            del context[name]
    if context.get("whole", ...) is None:
        del context["whole"]  # an export of before that was recorded
    return context


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
