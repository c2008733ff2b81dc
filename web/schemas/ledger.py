"""Shapes of the ledger: what was signed, what was checked, where checkpoints are kept."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import fields

from infrastructure.ledger.deposits.places import Kind
from infrastructure.ledger.standing import State
from web.schemas.common import page_of
from web.schemas.fields import Shape, choice, listed, mapping, nested, number, text, time, truth

NOTE = "auth.example.com/ledger\n12483\nqKZ4cjkFAp3VyJr5bJkzm/nsVzFZmUrU7sQsW1Pyytw=\n\n\u2014 auth.example.com/ledger 7Md1rQ==\n"


def _lines(example: str, description: str, *, maybe: bool = False) -> fields.String:
    """Text that may have several lines."""
    return fields.String(required=True, allow_none=maybe, metadata={"examples": [example], "description": description})


def _seconds(description: str) -> fields.Float:
    return fields.Float(required=True, metadata={"examples": [1.4], "description": description})


class Checkpoint(Shape):
    """What was signed over the first `size` events of the store."""

    size = number(12_483, "How many events, and the position of the last one.")
    root = text("a8a6787239050293d5c89af96c99339bf9ec573159994ad4eec42c5b53f2cadc", "Their Merkle tree's root (RFC 6962), in hex.")
    note = _lines(NOTE, "The signed note (c2sp.org/tlog-checkpoint): keep it in a file, as it is.")
    signed_at = time("When; null for one that was signed before the database was restored here.")


class Verified(Shape):
    """The last check of the whole record that came to its end; it is begun on the page Ledger."""

    at = time("When it ended.", maybe=False)
    seconds = _seconds("How long it took.")
    events = number(12_483, "How many events were read.")
    position = number(12_483, "The last one's position.")
    findings = mapping({"different": 1}, "How many findings of each kind; empty where every event is what was recorded and signed.")
    positions = fields.List(
        fields.Integer(), required=True, metadata={"examples": [[9214]], "description": "The first positions among them, 20 at most."}
    )


class ViewsCompared(Shape):
    """The last comparison of the views with the events; the leading projector makes it."""

    at = time("When it ended.", maybe=False)
    seconds = _seconds("How long it took.")
    differences = mapping({"sessions": 0}, "For each view, how many of its rows are not as the events say.")
    not_compared = mapping({"usage": "It is being built."}, "Views that were left out, and why.")


class Place(Shape):
    """Where checkpoints are deposited outside."""

    kind = choice(get_args(Kind), "witness", "What kind of place.")
    name = _lines("witness.example.org", "How it is known.")
    size = number(12_480, "The newest checkpoint there; null before the first.", maybe=True)
    at = time("When it was deposited.")
    told = _lines("witness.example.org Y29zaWduYXR1cmU=", "What came back, in short.", maybe=True)
    failing_since = time("Since when it fails; null where it doesn't.")
    failures = number(0, "How often in a row.")
    why = _lines("It did not answer within 10 s.", "Why it fails.", maybe=True)
    next_try = time("When it is tried again.")
    stops_signing = truth(False, "It holds what this database doesn't, so nothing is signed.")
    another_log = _lines(
        "Another log of this name stands there, too: 1,204 entries, signed by no key that this server knows.",
        "The warning that somebody else's checkpoints stand there under the log's name; null where none do.", maybe=True,
    )  # fmt: skip


class Ledger(Shape):
    origin = text("auth.example.com/ledger", "The log's name in its checkpoints.")
    vkeys = fields.List(
        fields.String(),
        required=True,
        metadata={
            "examples": [["auth.example.com/ledger+27b2a0c6+AZtEMR8nRmoQIZ/R6sFGcOFxyYc8XnAvJEJKcJPwaEGT"]],
            "description": "The log's public keys (c2sp.org/signed-note), the newest first.",
        },
    )
    state = choice(
        get_args(State),
        "current",
        "`late`: events wait for longer than half a minute. `unknown_key`: none of `vkeys` signed the newest checkpoint. "
        "`refused`: the database doesn't hold what was signed.",
    )
    refused = _lines("This database was set back.", "Why nothing is signed, and what to do; null where it is.", maybe=True)
    waiting = number(0, "Events that no checkpoint holds yet.")
    checkpoint = nested(Checkpoint, "The newest.", maybe=True)
    verified = nested(Verified, "Null before the first time.", maybe=True)
    views = nested(ViewsCompared, "Null before the first time.", maybe=True)
    places = listed(Place, "Where checkpoints are deposited: empty where nowhere.")


CheckpointPage: Any = page_of(Checkpoint, "CheckpointPage")
