"""The twelve questions that auditors ask (EVIDENCE.md 7) and three that lead on from them, each answered from the account's events."""

from __future__ import annotations

from infrastructure.past.questions.approval import approval
from infrastructure.past.questions.asked import Asking, Parameter, Question
from infrastructure.past.questions.deeds import deeds, reading, trouble
from infrastructure.past.questions.difference import difference
from infrastructure.past.questions.ending import ending
from infrastructure.past.questions.entry import entry
from infrastructure.past.questions.explain import explain
from infrastructure.past.questions.kept import kept
from infrastructure.past.questions.leaving import leaving
from infrastructure.past.questions.population import population
from infrastructure.past.questions.replayed import replayed
from infrastructure.past.questions.review import review
from infrastructure.past.questions.stolen import stolen
from infrastructure.past.questions.who import who

__all__ = ["QUESTIONS", "Asking", "Parameter", "Question"]

_ALL = (
    Question("who", "Who could use what, where, through which app, by which consent, until when?", ("at", "user", "client", "project", "scope"), who),
    Question("approval", "Who registered an app, who approved it, and was that before it was used?", ("client", "at"), approval, ("client",)),
    Question(
        "ending", "When did sessions end, by whom and why; when did their last access token die; was any given after?",
        ("grant", "user", "client", "at"), ending, ("grant", "user", "client"),
    ),
    Question("leaving", "Which sessions of a person lived at a moment, and how long did each go on?", ("user", "at"), leaving, ("user",)),
    Question(
        "population", "Which sessions began or ended between two moments; and a sample of them.", ("since", "until", "sample", "seed"), population,
    ),
    Question("review", "Which sessions are there, whose, when last used, which unused for 90 days?", ("at", "user", "client"), review),
    Question("deeds", "What did a person do, and from where?", ("user", "since", "until"), deeds, ("user",)),
    Question(
        "trouble", "What failed or was refused, which spent tokens came back, which keys and settings changed?",
        ("since", "until", "user"), trouble,
    ),
    Question("reading", "Who exported the audit log; when was the ledger not signed, or late?", ("since", "until"), reading),
    Question("entry", "Is one entry whole and unaltered, and what did its clock say?", ("event",), entry, ("event",)),
    Question("kept", "How far back does the record go; who was erased, what is held?", ("at",), kept),
    Question("replayed", "Would today's code answer as the server answered then?", ("grant", "at"), replayed, ("grant",)),
    Question(
        "explain", "Why was something allowed or refused, and which event changed it?",
        ("user", "client", "scope", "project", "at"), explain, all_needed=("user", "client", "scope"),
        note="What stood before the session began counts from its first event.",
    ),
    Question(
        "reuse", "Which spent refresh tokens came back, and was it a race or a theft?", ("grant", "user", "client", "since", "until"), stolen,
    ),
    Question("difference", "Whose access changed between two moments, and how?", ("since", "until", "user", "client"), difference),
)  # fmt: skip
QUESTIONS = {question.name: question for question in _ALL}
