"""Shapes that several groups share: queries of reads and lists, pages, reasons, people, where something holds."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from web.api import positions
from web.schemas.fields import PROJECT_EXAMPLE, Shape, choice, listed, number, pattern, query_number, text, texts, truth, uuid


class ReadQuery(Shape):
    min_position = pattern(
        positions.PATTERN,
        "12483",
        "Answer only once the views hold this position (`Grantbook-Position` of a write); 503 after a second.",
        optional=True,
    )


class ListQuery(ReadQuery):
    cursor = text("czoxMjQ4Mw", "`next_cursor` of the page before.", optional=True, longest=200)
    limit = query_number(50, "The most entries of a page.", least=1, most=200, default=50)


class ReasonQuery(Shape):
    reason = text("Left the company", "Stands in the audit log.", optional=True, longest=500)


class Reason(Shape):
    reason = text("Not in use any more", "Stands in the audit log.", maybe=True, optional=True, longest=500)


class Person(Shape):
    """Somebody who did something; the name is null once erased."""

    member_id = uuid("The member.", maybe=True)
    name = text("Priya Raman", "As it is now.", maybe=True)


class Problem(Shape):
    """Problem details (RFC 9457)."""

    type = fields.URL(required=True, require_tld=False, metadata={"examples": ["https://auth.example.com/api/docs#not-found"]})
    title = text("There is no such thing.", "What kind of problem.")
    status = number(404, "The HTTP status.")
    code = text("not-found", "The kind of problem, as a word that won't change.")
    detail = text("There is no such app in this account.", "This very problem.", optional=True)
    errors = fields.List(
        fields.Dict(keys=fields.String(), values=fields.String()),
        metadata={
            "examples": [[{"pointer": "/name", "detail": "An app needs a name."}]],
            "description": "Each wrong value, by `pointer` or `parameter`.",
        },
    )
    request_id = text("9f8e7d6c5b4a3921", "Stands in the server's log, too.", optional=True)


def page_of(item: type[Shape], name: str) -> type[Shape]:
    """The shape of a page of a list."""
    more = text("czoxMjQ4Mw", "Where the next page begins; null on the last one.", maybe=True)
    members: dict[str, Any] = {"data": listed(item, "The entries of this page."), "next_cursor": more}
    return type(name, (Shape,), members)


def projects(description: str, *, optional: bool = False) -> fields.List[Any]:
    """Null for all projects, or their ids."""
    return texts([PROJECT_EXAMPLE], description, maybe=True, optional=optional, most=1000, longest=100)


class Held(Shape):
    """Where a permission holds."""

    everywhere = truth(True, "In all projects, later ones too, less `excluded`.")
    projects = texts([PROJECT_EXAMPLE], "Where it holds otherwise.", most=100_000)
    excluded = texts([], "Where it was taken away.", most=100_000)


__all__ = [
    "Held", "ListQuery", "Person", "Problem", "ReadQuery", "Reason", "ReasonQuery", "choice", "page_of", "projects",
]  # fmt: skip
