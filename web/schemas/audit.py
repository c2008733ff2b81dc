"""Shapes of the audit log: its entries, its filters, and what resources report."""

from __future__ import annotations

from marshmallow import fields, validate

from projections.audit_log.event_types import EVENT_TYPES
from web.schemas.common import ListQuery, ReadQuery, page_of
from web.schemas.fields import (
    CLIENT_EXAMPLE,
    PROJECT_EXAMPLE,
    Shape,
    choice,
    mapping,
    number,
    query_number,
    query_time,
    query_truth,
    text,
    texts,
    time,
    uuid,
)

OUTCOMES = ("ok", "refused", "failed")


class EntryQuery(ListQuery):
    since = query_time("From this moment on.")
    until = query_time("Before this moment.")
    event_type = fields.List(
        fields.String(validate=validate.OneOf(EVENT_TYPES)),
        load_default=None,
        metadata={"description": "Only these types; may repeat.", "examples": [["oauth_grant.revoked"]]},
    )
    member_id = uuid("Who acted or was concerned.", optional=True)
    client = text(CLIENT_EXAMPLE, "An app: client id or stream of any of its registrations.", optional=True, longest=300)
    grant_id = uuid("A session.", optional=True)


class ExportQuery(ReadQuery):
    format = choice(
        ("jsonl", "csv", "ocsf", "zip"),
        "jsonl",
        "One JSON object in each line, a table for spreadsheets, OCSF 1.8.0 as JSON Lines, or JSON Lines with signed manifest and proofs.",
        optional=True,
    )
    manifest = query_truth("A zip of the file with a signed manifest: which part, how many entries, its hash. `zip` has one anyway.", default=False)
    from_position = query_number(9_214, "Only from this event on.", least=1, most=2**53 - 1, default=None)
    to_position = query_number(9_300, "Only up to this event.", least=1, most=2**53 - 1, default=None)
    personal = query_truth("Names and addresses in OCSF, too.", default=False)
    since = query_time("From this moment on.")
    until = query_time("Before this moment.")
    event_type = choice(EVENT_TYPES, "oauth_grant.revoked", "Only this type.", optional=True)
    member_id = uuid("Who acted or was concerned.", optional=True)
    client = text(CLIENT_EXAMPLE, "An app: client id or stream of any of its registrations.", optional=True, longest=300)


class Entry(Shape):
    """One entry; an event may give two. The actor of an action through a client is the person, the client stands beside it."""

    id = text("12483-1", "Position of its event, and which of its entries.")
    account_id = uuid("The account.")
    created_at = time("When it was recorded.", maybe=False)
    event_type = text("oauth_grant.revoked", "What happened.")
    actor_type = text("user", "user, client, system or anonymous.")
    actor_id = text("0a9c1c5e-6a53-4c7f-9f0e-1d9a9a3a7b21", "Who did it.", maybe=True)
    actor_name = text("Priya Raman", "Null once erased.", maybe=True)
    actor_ip = text("203.0.113.9", "From where; null once erased.", maybe=True)
    client_id = text(CLIENT_EXAMPLE, "Through which app, or which app it is about.", maybe=True)
    client_name = text("Cursor", "Its name.", maybe=True)
    grant_id = uuid("The session.", maybe=True)
    source = text("api", "oauth, ui, api, cli, mcp or system.")
    service = text("grantbook", "Which service.")
    event_context = mapping({"reason": "Laptop lost"}, "The facts of the event.")
    position = number(12_483, "The event's place in the ledger.")


class Action(Shape):
    """What a member did through a client at the resource that reports it."""

    grant_id = uuid("The session: `grant_id` of the introspection answer or of the token.")
    operation = text("reports.export", "What was done, in the resource's own words.", shortest=1, longest=200)
    outcome = choice(OUTCOMES, "ok", "What came of it.")
    scope = text("projects:query", "The scope that it needed; one of the resource's.", maybe=True, optional=True, longest=100)
    projects = texts([PROJECT_EXAMPLE], "Ids of the projects that it touched.", optional=True, most=1000, longest=100)
    detail = text("The report is empty.", "Why it was refused or failed; nothing personal.", maybe=True, optional=True, longest=200)


EntryPage = page_of(Entry, "EntryPage")
