"""What the templates of the active sessions receive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from web.pages.charts import Strip
from web.pages.models import AppMark, Confirm, Filter, HistoryEntry, Pager, Stat


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session (grant) of the list, also what its own page starts from."""

    grant_id: str
    person: str
    app: AppMark
    device: str
    scopes: tuple[str, ...]
    projects: str
    refreshes: int
    races: int
    last_refreshed_at: datetime | None
    created_at: datetime
    idle_ends_at: datetime
    idle_window: timedelta
    ends_at: datetime
    low: bool
    share_left: float
    strip: Strip
    revoke: Confirm | None = None

    @property
    def rotations(self) -> int:
        """Of the strip's issues of tokens the refreshes: the first came with the code, where the strip reaches back to it."""
        return max(0, self.strip.refreshes - (self.strip.begins_at == self.created_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSession:
    """A session ended for reuse, listed thirty days with the sentence why."""

    grant_id: str
    person: str
    app: AppMark
    device: str
    ended_at: datetime
    strong: str
    sentence: str
    position: int
    strip: Strip


@dataclass(frozen=True, slots=True)
class RevokeAll:
    """The way to the question before all sessions of a person or an app are revoked."""

    words: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsView:
    """The list with its filters; `revoke_all` for the one person and the one app that it is filtered by."""

    stats: tuple[Stat, ...]
    filters: tuple[Filter, ...]
    filtered: bool
    rows: tuple[SessionRow, ...]
    pager: Pager
    ended: tuple[EndedSession, ...]
    may_manage: bool
    mcp_url: str
    mcp_hint: str = ""
    revoke_all: tuple[RevokeAll, ...] = ()
    asked: tuple[tuple[str, str], ...] = ()
    """What the URL asks for: with it the same list comes again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDetail:
    """One session with its history."""

    row: SessionRow
    state: Literal["active", "ended"]
    ended_line: str
    told: str
    facts: tuple[tuple[str, str], ...]
    history: tuple[HistoryEntry, ...]
    page_id: str
    why: str = ""
