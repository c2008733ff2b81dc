"""Shapes of who could do what at a moment of the past."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from web.schemas.common import ReadQuery
from web.schemas.fields import CLIENT_EXAMPLE, PROJECT_EXAMPLE, Shape, choice, listed, mapping, number, query_number, query_time, text, time, uuid

_LATEST = 2**53 - 1


def positions(example: list[int], description: str) -> fields.List[Any]:
    return fields.List(fields.Integer(), required=True, metadata={"examples": [example], "description": description})


class AboutQuery(ReadQuery):
    """Whose access is asked about."""

    member_id = uuid("Only this person.", optional=True)
    client = text(CLIENT_EXAMPLE, "Only this client: client id or stream.", optional=True, longest=300)
    project_id = text(PROJECT_EXAMPLE, "Only what holds in this project.", optional=True, longest=100)
    scope = text("projects:query", "Only this scope.", optional=True, longest=200)


class AccessQuery(AboutQuery):
    at = query_time("At this moment; now, if neither this nor a position is given.")
    position = query_number(9_214, "Right after this event.", least=1, most=_LATEST, default=None)


class DifferenceQuery(AboutQuery):
    at = query_time("From this moment on; this or a position must be given.")
    position = query_number(9_214, "From right after this event on.", least=1, most=_LATEST, default=None)
    until = query_time("To this moment; now, if neither this nor a position is given.")
    until_position = query_number(12_400, "To right after this event.", least=1, most=_LATEST, default=None)


class AccessLine(Shape):
    """A scope that a person's app could use, and because of which events."""

    member_id = uuid("The person.")
    member_name = text("Maya Castillo", "Null once erased.", maybe=True)
    client_id = text(CLIENT_EXAMPLE, "The client.")
    client_name = text("Cursor", "What it called itself then.")
    grant_id = uuid("The session.")
    scope = text("projects:query", "What it could do.")
    projects = fields.List(
        fields.String(),
        required=True,
        allow_none=True,
        metadata={"examples": [[PROJECT_EXAMPLE]], "description": "Ids of the projects where it held; null for a scope that knows no projects."},
    )
    because = fields.Dict(
        keys=fields.String(validate=validate.OneOf(["registration", "approval", "consent", "permission", "grant"])),
        values=fields.List(fields.Integer()),
        required=True,
        metadata={
            "examples": [{"registration": [7310], "consent": [8977], "permission": [41], "grant": [8978]}],
            "description": "Positions of the events that made it so.",
        },
    )


class Access(Shape):
    position = number(9_214, "The answer is derived from the events up to this one.")
    at = time("The moment that it is for.", maybe=False)
    data = listed(AccessLine, "By person, app and scope.")


_SCOPES = {"projects:query": ["Sales"], "account:read": None}


class AccessChange(Shape):
    """How a person's access through an app differs between the two moments, and by which events."""

    member_id = uuid("The person.")
    member_name = text("Maya Castillo", "Null once erased.", maybe=True)
    client_id = text(CLIENT_EXAMPLE, "The client.")
    client_name = text("Cursor", "What it called itself then.")
    change = choice(["gained", "lost", "narrowed", "widened", "changed"], "narrowed", "What happened to it; `changed`: both less and more.")
    before = mapping(_SCOPES, "What it could do at the earlier moment: scopes with the names of projects, null for a scope that knows none.")
    after = mapping({"account:read": None}, "What it could do at the later moment.")
    changed_by = positions([9_301], "Positions of the events that made the difference; empty where time alone did.")
    because = positions([7_310, 8_977], "Positions of the events that either answer stands on.")


class AccessDifference(Shape):
    position = number(9_214, "The earlier moment is right after this event.")
    at = time("The earlier moment.", maybe=False)
    until_position = number(12_400, "The later moment is right after this event.")
    until = time("The later moment.", maybe=False)
    data = listed(AccessChange, "By person and app; those whose access is the same are left out.")
