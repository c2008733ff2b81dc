"""View models of the audit log: rows, the opened event, the page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from web.pages.charts import Strip
from web.pages.models import Filter, Pager


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One entry: the event's position, when, its type and sentence, who, from where, through which app."""

    position: int
    at: datetime
    event_type: str
    sentence: str
    actor: str
    address: str
    app: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventProof:
    """Proved by the newest checkpoint (of `size` entries), waiting for one, or failing. Hashes in hex, `path` from the event to the root."""

    state: Literal["proved", "waiting", "fails"]
    size: int = 0
    root: str = ""
    signature: str = ""
    path: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEvent:
    """The opened event as recorded, with its place in the log and links to what it is about.

    `told` and `strip` where a spent token came back: what it looks like, and the rotations up to then.
    """

    position: int
    at: datetime
    recorded: str
    leaf_hash: str
    stream: str
    links: tuple[tuple[str, str], ...]
    proof: EventProof
    told: str = ""
    strip: Strip | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    filters: tuple[Filter, ...]
    filtered: bool
    range_words: str
    rows: tuple[AuditRow, ...]
    pager: Pager
    problems: tuple[str, ...] = ()
    opened: OpenedEvent | None = None
    exports: tuple[tuple[str, str], ...] = ()
    with_manifest: tuple[tuple[str, str], ...] = ()
    close_url: str = ""
