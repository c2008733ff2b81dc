"""Two answers about the same account side by side: what each person's app could do at one moment and at another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from infrastructure.past.holders import Held

Change = Literal["gained", "lost", "narrowed", "widened", "changed", "same"]
Scopes = dict[str, tuple[str, ...] | None]
"""Scopes with the names of the projects where they hold; None for a scope that knows no projects."""


@dataclass(slots=True)
class Pair:
    """A person and an app. `because` are the positions that both answers cite; `grants` the sessions that held then."""

    member_id: str
    member_name: str | None
    client_id: str
    client_stream: str
    client_name: str
    then: Scopes = field(default_factory=dict)
    now: Scopes = field(default_factory=dict)
    because: set[int] = field(default_factory=set)
    grants: set[str] = field(default_factory=set)

    @property
    def change(self) -> Change:
        if self.then == self.now:
            return "same"
        if not self.then or not self.now:
            return "gained" if self.now else "lost"
        less, more = _beyond(self.then, self.now), _beyond(self.now, self.then)
        if less and more:
            return "changed"
        return "narrowed" if less else "widened"

    @property
    def gone(self) -> tuple[str, ...]:
        """Scopes that held then and hold nowhere now."""
        return tuple(scope for scope in self.then if scope not in self.now)

    @property
    def new(self) -> tuple[str, ...]:
        """Scopes that hold now and held nowhere then."""
        return tuple(scope for scope in self.now if scope not in self.then)


def compared(then: Iterable[Held], now: Iterable[Held]) -> list[Pair]:
    """Every person and app of either answer, the changed ones first."""
    pairs: dict[tuple[str, str], Pair] = {}
    for lines, past in ((then, True), (now, False)):
        for line in lines:
            pair = pairs.setdefault((line.member_id, line.client_stream), _pair(line))
            scopes = pair.then if past else pair.now
            scopes[line.scope] = _joined(scopes.get(line.scope, ()), line.project_names)
            pair.because.update(line.cited)
            if past:
                pair.grants.add(line.grant_id)
    return sorted(pairs.values(), key=lambda p: (p.change == "same", p.member_name or "", p.member_id, p.client_name, p.client_stream))


def _pair(line: Held) -> Pair:
    return Pair(line.member_id, line.member_name, line.client_id, line.client_stream, line.client_name)


def _joined(before: tuple[str, ...] | None, more: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Several sessions of one app add up."""
    if before is None or more is None:
        return None
    return tuple(dict.fromkeys((*before, *more)))


def _beyond(ours: Scopes, theirs: Scopes) -> bool:
    """Whether ours reaches anywhere that theirs doesn't."""
    for scope, projects in ours.items():
        if scope not in theirs:
            return True
        if not set(projects or ()) <= set(theirs[scope] or ()):
            return True
    return False
