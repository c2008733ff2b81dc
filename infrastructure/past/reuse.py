"""A spent refresh token came back: told from its events, so that an admin can tell a race of one program from a theft."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from infrastructure.past.answers import Past, seconds_between
from infrastructure.store.reader import PositionedEvent

Verdict = Literal["race", "theft", "unclear"]
_TOPICS = ("grant.code_exchanged", "grant.tokens_refreshed", "grant.refresh_replayed", "grant.reuse_detected")
_SOON_S = 600.0


@dataclass(frozen=True, slots=True)
class Use:
    """A use of a token: when, from which address, by which program. Address and program are None where the person is erased, or none was told."""

    position: int
    at: datetime
    address: str | None
    program: str | None


@dataclass(frozen=True, slots=True)
class Reuse:
    """The token of `generation` was spent by `first`, and came again as `again`, `seconds` later, while `current` was live.

    `in_grace`: recorded uses in between that were answered within the grace. `words` is the whole story.
    """

    generation: int
    current: int
    first: Use | None
    again: Use
    seconds: float | None
    in_grace: tuple[Use, ...]
    verdict: Verdict
    words: str


def reuses_of(past: Past, grant_id: UUID, until: int) -> list[Reuse]:
    """Each detection of a session up to a position."""
    told = past.events([grant_id], until, _TOPICS)
    return [_reuse(past, told, one) for one in told if one.topic == "grant.reuse_detected"]


def _reuse(past: Past, told: list[PositionedEvent], detected: PositionedEvent) -> Reuse:
    event: Any = detected.event
    spent = next((t for t in told if t.topic == "grant.tokens_refreshed" and t.event.generation == event.generation + 1), None)
    replays = [
        t for t in told if t.topic == "grant.refresh_replayed" and t.event.generation == event.generation + 1 and t.position < detected.position
    ]
    first, again = None if spent is None else _use(past, spent), _use(past, detected)
    seconds = None if first is None else seconds_between(first.at, again.at)
    verdict = _verdict(first, again, seconds)
    in_grace = tuple(_use(past, replay) for replay in replays)
    words = _words(event.generation, event.current, first, again, seconds, in_grace, verdict)
    return Reuse(event.generation, event.current, first, again, seconds, in_grace, verdict, words)


def _use(past: Past, told: PositionedEvent) -> Use:
    event: Any = told.event
    return Use(told.position, told.at, past.opened(event.address, told), past.opened(event.user_agent, told))


def _verdict(first: Use | None, again: Use, seconds: float | None) -> Verdict:
    if first is None or seconds is None or first.address is None or again.address is None:
        return "unclear"
    if first.program is None or again.program is None:
        return "unclear"
    same_address, same_program = first.address == again.address, first.program == again.program
    if same_address and same_program and seconds < _SOON_S:
        return "race"
    return "theft" if not same_address and not same_program else "unclear"


_MEANS = {
    "race": "One program at one address asked twice within minutes: most likely it lost the answer or ran twice. It has to connect again.",
    "theft": "Another program at another address had the token: treat it as stolen. The session is over; look where the token was kept.",
    "unclear": "Whether it was a race or a theft can't be told from this: ask the person, and look where the token was kept.",
}


def _words(generation: int, current: int, first: Use | None, again: Use, seconds: float | None, in_grace: tuple[Use, ...], verdict: Verdict) -> str:
    came = f"came again from {_place(again)}"
    began = f"Refresh token {generation:,} was spent"
    if first is not None and seconds is not None:
        began += f" from {_place(first)}"
        came += f", {_lasting(seconds)} later"
    age = current - generation
    parts = [f"{began} and {came}, when token {current:,} was live ({age:,} {'rotation' if age == 1 else 'rotations'} on)."]
    if in_grace:
        parts.append(f"In between {'it was' if len(in_grace) == 1 else f'{len(in_grace)} times it was'} answered within the grace.")
    return " ".join((*parts, _MEANS[verdict]))


def _place(use: Use) -> str:
    where = use.address or "an address that is erased"
    return f"{where} ({use.program})" if use.program else where


def _lasting(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size * 2:
            return f"{int(seconds // size)} {unit}s"
    return f"{seconds:g} s"
