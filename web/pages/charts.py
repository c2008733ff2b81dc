"""Small charts as server-made SVG: what stands where, and the same in words; templates draw them by class and token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from web.pages.formatting import MONTHS, counted, duration, listed, number, share

SPARK_WIDTH: Final = 80
SPARK_HEIGHT: Final = 20
CHART_HEIGHT: Final = 40
SLOT: Final = 10
"""Units of width that a day takes in a bar chart."""
STRIP_GAP: Final = 1.3
"""Ticks closer than this share of a strip's width, in per cent, are one: about 2 px of it."""
WIDE_STRIP_GAP: Final = 0.25
MarkKind = Literal["refresh", "race", "reuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """A line of daily numbers without axes, and the words. The path closes outside the picture, so that one serves as line and as area."""

    path: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: left edge, top and height in the chart's units."""

    x: int
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """Daily numbers as bars. `words` say the same; `unit` names what is counted."""

    title: str
    total: int
    bars: tuple[Bar, ...]
    width: int
    words: str
    first: date
    last: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A session's life on a line: places in per cent. `start` is where it begins, `end` where it ended or now is."""

    start: float
    end: float
    ticks: tuple[float, ...]
    races: tuple[float, ...]
    reuse: float | None
    refreshes: int
    words: str
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UseBar:
    """How many people hold a scope and how many used it, as shares of all; widths of 0 to 200."""

    scope: str
    granted: int
    used: int
    granted_width: float
    used_width: float


def day_words(day: date) -> str:
    """`12 November`"""
    return f"{day.day} {MONTHS[day.month - 1]}"


def spark(counts: Sequence[int] | None, what: str = "Requests") -> Spark | None:
    """None where nothing happened."""
    if not counts or not any(counts):
        return None
    highest, step = max(counts), SPARK_WIDTH / (len(counts) - 1)
    points = [f"{n * step:.1f} {SPARK_HEIGHT - 1.5 - (SPARK_HEIGHT - 3.5) * count / highest:.1f}" for n, count in enumerate(counts)]
    first, last = points[0].split()[1], points[-1].split()[1]
    path = f"M-2 {first}L{'L'.join(points)}L82 {last}V24H-2Z"
    words = f"{what} per day, last {counted(len(counts), 'day')}: {number(sum(counts))} in all, at most {number(highest)}"
    return Spark(path=path, words=words)


def bar_chart(title: str, days: Sequence[date], counts: Sequence[int]) -> BarChart:
    """One bar a day; a quiet day has none."""
    highest, total = max(counts, default=0), sum(counts)
    words = f"{title} per day, last {counted(len(days), 'day')}: none"
    if total:
        busiest = days[counts.index(highest)]
        words = f"{title} per day, last {counted(len(days), 'day')}: {number(total)} in all, most on {day_words(busiest)} ({number(highest)})"
    bars = tuple(_bar(n, count / highest) for n, count in enumerate(counts) if count)
    return BarChart(title=title, total=total, bars=bars, width=SLOT * len(days), words=words, first=days[0], last=days[-1])


def _bar(place: int, part: float) -> Bar:
    height = max(1.5, round(part * CHART_HEIGHT, 1))
    return Bar(x=place * SLOT, y=round(CHART_HEIGHT - height, 1), height=height)


def strip(
    marks: Iterable[tuple[datetime, MarkKind]],
    *,
    since: datetime,
    now: datetime,
    begins_at: datetime,
    ends_at: datetime | None,
    gap: float = STRIP_GAP,
) -> Strip:
    """The marks from `since` to `now`; `ends_at` where the session is over."""

    def place(moment: datetime) -> float:
        return round(100 * (1 - share(moment, since, now)), 2)

    ticks: list[float] = []
    races: list[float] = []
    reuse, refreshes = None, 0
    for at, kind in marks:
        x = place(at)
        if kind == "reuse":
            reuse = x
        elif kind == "race":
            races.append(x)
        else:
            refreshes += 1
            if not ticks or x - ticks[-1] >= gap:
                ticks.append(x)
    first, last = max(begins_at, since), ends_at or now
    return Strip(
        start=place(first), end=place(last), ticks=tuple(ticks), races=tuple(races), reuse=reuse, refreshes=refreshes, begins_at=first, ends_at=last,
        words=_strip_words(refreshes, len(races), duration((last - first).total_seconds() // 3600 * 3600), reused=reuse is not None),
    )  # fmt: skip


def _strip_words(refreshes: int, races: int, length: str, *, reused: bool) -> str:
    parts = [f"{counted(refreshes, 'issue of tokens', 'issues of tokens')} over {length if length != '0 seconds' else 'less than an hour'}"]
    if races:
        parts.append(f"{counted(races, 'race')} in grace")
    if reused:
        parts.append("then a spent token came back and the session ended")
    return listed(parts)


def use_bars(uses: Iterable[tuple[str, int, int]], people: int) -> tuple[UseBar, ...]:
    """(scope, people who hold it, people whose app used it); `people` is the whole."""
    whole = max(people, 1)
    return tuple(
        UseBar(
            scope=scope, granted=granted, used=used, granted_width=round(200 * min(1, granted / whole), 1),
            used_width=round(200 * min(1, used / whole), 1),
        )
        for scope, granted, used in uses
    )  # fmt: skip
