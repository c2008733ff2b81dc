"""What a question may be asked with; a registry names which of it each question takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from infrastructure.past.answers import Answer, Past
from infrastructure.past.moments import Moment

Parameter = Literal["client", "user", "grant", "project", "scope", "since", "until", "at", "sample", "seed", "event"]


@dataclass(frozen=True, slots=True)
class Asking:
    """Ids as the events have them; `now` is the newest moment, `moment` the one asked about (the newest if none was given)."""

    now: Moment
    moment: Moment
    client_stream: str | None = None
    member_id: str | None = None
    grant_id: str | None = None
    project_id: str | None = None
    scope: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    sample: int | None = None
    seed: str = ""
    event: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One of the questions that auditors ask (EVIDENCE.md 7). `needed`: at least one of these must be given; `all_needed`: each of these.
    `note`: what one has to know to read the answer's lines."""

    name: str
    asks: str
    parameters: tuple[Parameter, ...]
    answer: Callable[[Past, Asking], Answer]
    needed: tuple[Parameter, ...] = ()
    all_needed: tuple[Parameter, ...] = ()
    note: str = ""

    def missing(self, given: Mapping[str, object]) -> tuple[Parameter, ...]:
        """Of what must be given, what is not: one of several, or each that is left out."""
        lacking = tuple(name for name in self.all_needed if not given.get(name))
        return lacking or (() if not self.needed or any(given.get(name) for name in self.needed) else self.needed)
