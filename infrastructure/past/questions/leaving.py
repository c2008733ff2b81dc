"""A person left: which of their sessions lived at that moment, and how long each went on."""

from __future__ import annotations

from infrastructure.past.answers import Answer, Line, Past, counted, seconds_between
from infrastructure.past.holders import Asked, Holders
from infrastructure.past.questions.asked import Asking
from infrastructure.past.questions.sessions import ends_of


def leaving(past: Past, asking: Asking) -> Answer:
    """A line for each session that was live at the moment; `seconds` until it ended, None if it never did."""
    states, standings = Holders(past.connection, past.mapper, past.keyring, past.account_id).live(asking.moment, Asked(asking.member_id))
    ends, lines = ends_of(past, [str(standing.grant.id) for standing in standings], asking.now), []
    for standing in standings:
        grant, end = standing.grant, ends.get(str(standing.grant.id))
        facts = {
            "grant_id": str(grant.id), "app": standing.client.name, "client_id": grant.client_id, "scopes": list(grant.scopes),
            "ended_at": None if end is None else end.at, "reason": None if end is None else end.reason,
            "seconds": None if end is None else seconds_between(asking.moment.at, end.at),
        }  # fmt: skip
        because: dict[str, tuple[int, ...]] = {"grant": (states.place(grant.id, 1),)}
        if end is not None and end.position is not None:
            because["end"] = (end.position,)
        lines.append(Line(facts, because))
    return Answer("leaving", asking.moment.position, asking.moment.at, _says(lines), tuple(lines))


def _says(lines: list[Line]) -> str:
    if not lines:
        return "No: nothing of theirs was live at that moment."
    left = [line for line in lines if line.facts["seconds"] is None]
    if left:
        return f"{counted(len(lines), 'session')} then, and {len(left)} still live{'s' if len(left) == 1 else ''}."
    longest = max(line.facts["seconds"] for line in lines)
    return f"{counted(len(lines), 'session')} then; the last ended {longest} s later."
