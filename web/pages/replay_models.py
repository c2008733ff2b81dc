"""What the replay page shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from infrastructure.past.comparison import Change


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the histogram, in units of its 960 by 56 picture; `past`: it has happened at the chosen moment."""

    x: float
    y: float
    width: float
    height: float
    past: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """A number then and later."""

    label: str
    then: int
    later: int


@dataclass(frozen=True, slots=True)
class Reach:
    """Scopes that hold in the same places; `where` is empty for those that know no projects."""

    scopes: tuple[str, ...]
    where: str


@dataclass(frozen=True, slots=True)
class Row:
    """A person and an app; `words` say what changed since and why."""

    member_id: str
    person: str
    app: str
    client_id: str
    then: tuple[Reach, ...]
    change: Change
    words: str
    gone: tuple[str, ...]
    new: tuple[str, ...]
    by: tuple[int, ...]
    because: tuple[int, ...]
    why_then: str
    why_later: str


@dataclass(frozen=True, slots=True)
class Later:
    """The moment that is compared with. `position` is the event, `now`: it is the last there is; `kept`: the link names it."""

    position: int
    at: datetime
    now: bool
    kept: bool
    cut: float
    topic: str | None
    with_now: str


@dataclass(frozen=True, slots=True)
class Replay:
    """The page. `position` is the chosen event, `topic` what happened there (None: another account's)."""

    position: int
    later: Later
    head: int
    at: datetime
    first_at: datetime | None
    last_at: datetime | None
    topic: str | None
    events: int
    seconds: float
    bars: tuple[Bar, ...]
    cut: float
    run: int
    figures: tuple[Figure, ...]
    counts: dict[Change, int]
    rows: tuple[Row, ...]
    hidden: int
    before: str | None
    after: str | None
    only_changes: bool
    toggle: str
    given: dict[str, str]
    projects: dict[str, str] = field(default_factory=dict)
    nothing: str = "No app could do anything for anybody, then or now."
