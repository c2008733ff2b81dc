"""View models of the page about signing keys: what each signs, where it stands, what comes next. Never a private part."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from application.rotate_keys import Stage
from web.pages.models import Confirm, HistoryEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    kid: str
    alg: str
    stage: Stage
    created_at: datetime
    next: str
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyGroup:
    """The keys for one use, the newest first."""

    use: str
    heading: str
    words: str
    rows: tuple[KeyRow, ...]
    rotate: Confirm | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysView:
    groups: tuple[KeyGroup, ...]
    jwks_url: str
    history: tuple[HistoryEntry, ...]
