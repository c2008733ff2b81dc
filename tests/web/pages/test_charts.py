from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from web.pages.charts import bar_chart, spark, strip, use_bars

NOW = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
WEEK = timedelta(days=7)
DAYS = [date(2026, 11, 22), date(2026, 11, 23), date(2026, 11, 24)]


def test_a_sparkline_spans_its_width_and_says_its_numbers() -> None:
    line = spark((0, 4, 2))
    assert line is not None
    assert line.path == "M-2 18.5L0.0 18.5L40.0 2.0L80.0 10.2L82 10.2V24H-2Z"
    assert line.words == "Requests per day, last 3 days: 6 in all, at most 4"
    assert spark((0, 0, 0)) is None
    assert spark(None) is None


def test_a_bar_chart_has_a_bar_for_each_day_on_which_something_happened() -> None:
    chart = bar_chart("Refreshes", DAYS, [0, 1000, 1])
    assert [(bar.x, bar.y, bar.height) for bar in chart.bars] == [(10, 0.0, 40.0), (20, 38.5, 1.5)]
    assert chart.words == "Refreshes per day, last 3 days: 1,001 in all, most on 23 November (1,000)"
    quiet = bar_chart("Refreshes", DAYS, [0, 0, 0])
    assert (quiet.bars, quiet.total, quiet.words) == ((), 0, "Refreshes per day, last 3 days: none")


def test_ticks_that_would_touch_are_one_but_all_are_counted() -> None:
    close = [(NOW - timedelta(days=3, minutes=n), "refresh") for n in range(10)][::-1]
    marks = [(NOW - timedelta(days=5), "refresh"), *close, (NOW - timedelta(days=1), "race")]
    drawn = strip(marks, since=NOW - WEEK, now=NOW, begins_at=NOW - timedelta(days=20), ends_at=None)  # type: ignore[arg-type]  # literals
    assert len(drawn.ticks) == 2
    assert (drawn.refreshes, len(drawn.races), drawn.reuse) == (11, 1, None)
    assert (drawn.start, drawn.end) == (0.0, 100.0)
    assert drawn.words == "11 issues of tokens over 7 days and 1 race in grace"


def test_a_strip_begins_and_ends_with_its_session() -> None:
    ended = NOW - timedelta(days=1)
    drawn = strip([(ended, "reuse")], since=NOW - WEEK, now=NOW, begins_at=NOW - timedelta(days=3.5), ends_at=ended)
    assert (drawn.start, drawn.reuse) == (50.0, drawn.end)
    assert 85 < drawn.end < 86
    assert drawn.words == "0 issues of tokens over 2 days 12 hours and then a spent token came back and the session ended"


def test_bars_of_use_are_shares_of_all_people() -> None:
    (bar,) = use_bars([("jobs:run", 8, 2)], 16)
    assert (bar.granted_width, bar.used_width) == (100.0, 25.0)
    assert use_bars([("jobs:run", 1, 1)], 0)[0].granted_width == 200.0
