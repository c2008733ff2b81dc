"""What the overview's template receives."""

from __future__ import annotations

from dataclasses import dataclass

from projections.usage.queries import Day
from web.pages.charts import BarChart
from web.pages.models import HistoryEntry, Kind, Stat


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Something that an admin should look at: bold words, what is known about it, and the way there."""

    kind: Kind
    image: str
    words: str
    detail: str = ""
    url: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewView:
    """`mcp_url` only where no app has connected yet; `mcp_hint` where nothing answers there."""

    attention: tuple[Attention, ...]
    stats: tuple[Stat, ...]
    charts: tuple[BarChart, ...]
    days: tuple[Day, ...]
    history: tuple[HistoryEntry, ...]
    mcp_url: str = ""
    mcp_hint: str = ""
