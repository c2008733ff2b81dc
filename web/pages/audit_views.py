"""Builds the audit page: filters from the URL, rows with their sentence, the opened event as recorded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from flask import url_for

from projections.audit_log.event_types import EVENT_TYPES
from projections.audit_log.queries import AuditEntry
from web.pages.audit_models import AuditRow, EventProof, OpenedEvent
from web.pages.audit_sentences import Known, sentence_for
from web.pages.formatting import long_date
from web.pages.models import Choice, Filter

PAGE_SIZE: Final = 50
LONGEST: Final = timedelta(days=90)
_GROUPS: Final = {
    "Apps": ("oauth_client", "oauth_consent"),
    "Sessions and tokens": ("oauth_grant", "access_token", "refresh_token", "authorization_code", "action"),
    "People": ("user", "permission", "login", "password"),
    "Rules": ("account", "plan", "policy", "project", "scopes", "resource", "auth_provider", "signing_key"),
    "Evidence": ("audit_log", "ledger"),
}
_OTHERS: Final = "Others"
_ACTORS: Final = {"client": "The app itself", "system": "Grantbook", "anonymous": "Not signed in"}
_BY_SETUP: Final = frozenset({"account.opened", "resource.registered", "signing_key.rotated"})
"""What nobody but the one-time link does without being signed in."""
_SEALED: Final = frozenset({"sub", "kid", "n", "ct", "kc"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The filters as typed, and the stretch of time that they mean (UTC). `unread`: what was given and can't be understood, so isn't among them."""

    since: datetime
    until: datetime
    event_type: str
    user: str
    client: str
    given: Mapping[str, str]
    unread: tuple[str, ...] = ()

    def query(self, **more: object) -> str:
        return urlencode({**self.given, **{name: value for name, value in more.items() if value}})


def asked(args: Mapping[str, str], now: datetime, *, longest: timedelta | None = LONGEST) -> Asked:
    """Filters from the URL; what can't be read is `unread`, and not among them. A page covers `longest` at once, without a beginning 90 days."""
    until_day, since_day = _day(args.get("to", "")), _day(args.get("from", ""))
    unread = _unread(args, since_day, until_day)
    until_day = None if "to" in unread else until_day
    until = datetime.combine(until_day + timedelta(days=1), time(), UTC) if until_day else now + timedelta(days=1)
    since = datetime.combine(since_day, time(), UTC) if since_day else until - LONGEST
    if longest is not None and until - since > longest:
        since = until - longest
    event_type = args.get("type", "")
    given = {name: args[name][:200] for name in ("from", "to", "type", "user", "client") if args.get(name) and name not in unread}
    return Asked(
        since=since,
        until=until,
        event_type=event_type if event_type in EVENT_TYPES else "",
        user=args.get("user", "").strip()[:200],
        client=args.get("client", "").strip()[:300],
        given=given,
        unread=tuple(unread.values()),
    )


def _unread(args: Mapping[str, str], since: date | None, until: date | None) -> dict[str, str]:
    """What is wrong with the filters, by name."""
    days = (("from", "From", since), ("to", "To", until))
    unread = {name: f"{label}: “{args[name][:40]}” is no date, write it as 2026-11-24." for name, label, day in days if args.get(name) and not day}
    if since and until and until < since:
        unread["to"] = f"To: {until} comes before From, {since}."
    if args.get("type") and args["type"] not in EVENT_TYPES:
        unread["type"] = f"Event type: there is no “{args['type'][:60]}”, choose one from the list."
    return unread


def first_page(entries: list[AuditEntry], *, from_end: bool = False) -> list[AuditEntry]:
    """A page of entries, the newest or those at the end, that never splits the two of one event."""
    if len(entries) <= PAGE_SIZE:
        return entries
    if from_end:
        first = entries[-PAGE_SIZE].position
        return [entry for entry in entries if entry.position <= first]
    last = entries[PAGE_SIZE - 1].position
    return [entry for entry in entries if entry.position >= last]


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2200 else None


def filters(found: Asked, apps: Iterable[tuple[str, str]]) -> tuple[Filter, ...]:
    types = tuple(Choice(value=name, words=name, chosen=name == found.event_type, group=_group(name)) for name in sorted(EVENT_TYPES, key=_place))
    clients = tuple(Choice(value=id_, words=name, chosen=id_ == found.client) for id_, name in apps)
    if found.client and not any(choice.chosen for choice in clients):
        clients = (Choice(value=found.client, words=found.client[:40], chosen=True), *clients)
    return (
        Filter(name="from", label="From, UTC", type="date", value=found.given.get("from", "")),
        Filter(name="to", label="To, UTC", type="date", value=found.given.get("to", "")),
        Filter(name="type", label="Event type", options=types, any_words="All types"),
        Filter(name="user", label="Person", value=found.user, hint="Name or email"),
        Filter(name="client", label="App", options=clients, any_words="All apps"),
    )


def _group(event_type: str) -> str:
    return next((words for words, families in _GROUPS.items() if event_type.split(".", maxsplit=1)[0] in families), _OTHERS)


def _place(event_type: str) -> tuple[int, str]:
    group = _group(event_type)
    return (list(_GROUPS).index(group) if group in _GROUPS else len(_GROUPS), event_type)


def range_words(found: Asked, now: datetime) -> str:
    last = min(found.until - timedelta(seconds=1), now)
    return f"Events from {long_date(found.since)} to {long_date(last)}, up to 90 days at once."


def row(entry: AuditEntry, known: Known, found: Asked) -> AuditRow:
    query = found.query()
    return AuditRow(
        position=entry.position,
        at=entry.created_at,
        event_type=entry.event_type,
        sentence=sentence_for(entry.event_type, entry.event_context, known, entry.subject_id),
        actor=actor_words(entry, known),
        address=entry.actor_ip or "",
        app=entry.client_name or "",
        url=url_for("settings.audit.detail", position=entry.position) + (f"?{query}" if query else ""),
    )


def actor_words(entry: AuditEntry, known: Known) -> str:
    if entry.actor_id:
        return entry.actor_name or known.people.get(entry.actor_id, "an erased member")
    if entry.actor_type == "system" and entry.source == "cli":
        return "The command line"
    if entry.actor_type == "anonymous" and (entry.event_type in _BY_SETUP or entry.event_context.get("by") == "setup"):
        return "The set-up link"
    return _ACTORS.get(entry.actor_type, entry.actor_type)


def opened(stored: Any, links: tuple[tuple[str, str], ...], proof: EventProof) -> OpenedEvent:
    """The event as its bytes stand in the log; sealed values are told as such."""
    facts = {"topic": stored.topic, **readable(json.loads(bytes(stored.state)))}
    return OpenedEvent(
        position=stored.position,
        at=stored.at,
        recorded=json.dumps(facts, indent=2, ensure_ascii=False),
        leaf_hash=bytes(stored.leaf_hash).hex(),
        stream=f"{stored.stream_id}, version {stored.version}",
        links=links,
        proof=proof,
    )


def readable(value: Any) -> Any:
    """Facts for people: sealed values are told as such."""
    if isinstance(value, dict):
        if set(value) == _SEALED:
            return f"(sealed under {value['kid']})"
        return {name: readable(inner) for name, inner in value.items()}
    return [readable(inner) for inner in value] if isinstance(value, list) else value
