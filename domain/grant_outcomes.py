"""What a grant is made of, and what it answers when a code or a refresh token is presented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


class Issue(NamedTuple):
    """One generation of the refresh token: which event issued it, under which key, when."""

    generation: int
    version: int
    key_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Pinned:
    """The versions of the other four streams when the grant was issued; what ended any of them later ends the grant for good."""

    consent: int
    client: int
    member: int
    account: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """The token is the live one: a successor is recorded."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """The code is good: tokens are recorded."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """The immediate predecessor within its grace: the same successor again. `recorded`: an event notes it, else it was noted before."""

    successor: Issue
    recorded: bool


@dataclass(frozen=True, slots=True)
class ReuseDetected:
    """A spent refresh token: the grant is over, recorded before it is refused."""


@dataclass(frozen=True, slots=True)
class CodeReplayed:
    """A spent code, otherwise valid: the grant is over, recorded before it is refused."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """Refused without an event. `alarm`: the token is genuine but its generation was never recorded (a restored backup)."""

    reason: str
    alarm: bool = False


RefreshOutcome = Rotated | Replayed | ReuseDetected | Invalid
ExchangeOutcome = Exchanged | CodeReplayed | Invalid
