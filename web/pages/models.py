"""What the templates receive: frozen view models, one per page or row, without any Flask or SQL in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Status = Literal["active", "pending", "blocked", "removed"]
Kind = Literal["", "ok", "warn", "bad", "info"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The signed-in person whom the page is made for."""

    name: str
    email: str
    role: str
    may_manage: bool = False
    sees_settings: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LagLine:
    """How far the views are: `position` is the last event they hold, `seconds` its age or the time since they stopped."""

    state: Literal["current", "behind", "stopped"]
    position: int
    seconds: float = 0.0
    behind: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notice: bold words, then plain ones, then the event that it is about."""

    text: str = ""
    strong: str = ""
    kind: Kind = ""
    image: str = "info"
    event: int | None = None
    event_linked: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the breadcrumb."""

    words: str
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The frame of a page: titles from thing to section, the menu entry, the breadcrumb, notices and the lag line."""

    titles: tuple[str, ...]
    here: str = ""
    trail: tuple[Step, ...] = ()
    viewer: Viewer | None = None
    lag: LagLine | None = None
    notices: tuple[Notice, ...] = ()
    pending: int = 0
    error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AppMark:
    """An app's name and what its tile is coloured by (the client id)."""

    name: str
    key: str
    verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """A deed to be confirmed: the question, what it does, and the two buttons."""

    id: str
    verb: str
    action: str
    question: str
    points: tuple[str, ...]
    button: str
    keep: str = "Keep it"
    image: str = ""
    destroys: bool = True
    asks_reason: bool = False
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    id: str
    label: str
    url: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """One number of a strip; a moment instead of words where it is a time."""

    label: str
    words: str = ""
    small: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One line of an app's history; a run of identical events is one line with its range."""

    image: str
    kind: Kind
    actor: str
    sentence: str
    said: str
    at: datetime
    event_type: str
    first_position: int
    last_position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One option of a list: its value, its words, whether it is chosen, and the heading that it stands under, if it does."""

    value: str
    words: str
    chosen: bool = False
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A filter of a list: what it is called, what was typed, and its options if it is a list."""

    name: str
    label: str
    value: str = ""
    type: str = "text"
    options: tuple[Choice, ...] = ()
    any_words: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pager:
    """Where the shown rows stand and how to go on from there."""

    words: str
    newer: str = ""
    older: str = ""
    older_words: str = "Older"
    newer_words: str = "Newer"
