"""Shapes of the questions that auditors ask about the past, and of their answers."""

from __future__ import annotations

from marshmallow import fields

from infrastructure.past.questions import QUESTIONS
from web.schemas.common import ReadQuery
from web.schemas.fields import (
    CLIENT_EXAMPLE,
    PROJECT_EXAMPLE,
    UUID_EXAMPLE,
    Shape,
    choice,
    listed,
    mapping,
    number,
    query_number,
    query_time,
    text,
    texts,
    time,
)

_LATEST = 2**53 - 1


class Question(Shape):
    name = choice(list(QUESTIONS), "ending", "What it is asked by: `/questions/NAME`.")
    asks = text("Who registered an app, who approved it, and was that before it was used?", "In words.")
    parameters = texts(["client", "at"], "What it may be asked with.")
    needed = texts(["client"], "Of which at least one must be given.")
    all_needed = texts(["user", "client", "scope"], "Each of which must be given.")
    note = text(QUESTIONS["explain"].note, "What one has to know to read the lines of its answers; empty where there is nothing.")


class Questions(Shape):
    data = listed(Question, "All there are.")


class AskQuery(ReadQuery):
    at = query_time("As of this time; now, if none is given.")
    since = query_time("From this time on.")
    until = query_time("Before this time.")
    client = text(CLIENT_EXAMPLE, "An app, by a client id or stream id.", optional=True, longest=300)
    user = text("maya@example.com", "A person, by e-mail address or id.", optional=True, longest=320)
    grant = text(UUID_EXAMPLE, "A session, by its id.", optional=True, longest=100)
    project = text(PROJECT_EXAMPLE, "A project, by name or id.", optional=True, longest=200)
    scope = text("projects:query", "A scope.", optional=True, longest=200)
    sample = query_number(25, "Draw so many sessions.", least=1, most=10_000, default=None)
    seed = text("2026-Q4", "What the sample is drawn by: the same seed draws the same.", optional=True, longest=200)
    event = query_number(9_214, "An event, by its position.", least=1, most=_LATEST, default=None)


class AnswerLine(Shape):
    facts = mapping({"what": "approved", "at": "2026-11-20T09:30:00+00:00"}, "By name; which ones there are depends on the question.")
    because = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.Integer()),
        required=True,
        metadata={"examples": [{"approved": [8977]}], "description": "Positions of the events that the line stands on, by what each shows."},
    )


class Answer(Shape):
    question = choice(list(QUESTIONS), "ending", "What was asked.")
    position = number(9_214, "The answer is derived from the events up to this one.")
    at = time("The moment that it is for.", maybe=False)
    says = text("No: the session has not ended.", "The answer in one sentence.")
    lines = listed(AnswerLine, " ".join(("What it stands on.", *(f"`{name}`: {one.note}" for name, one in QUESTIONS.items() if one.note))))
