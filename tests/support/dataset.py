"""What the demo's tools should answer, summed from the generated data set itself."""

from __future__ import annotations

from datetime import timedelta

from infrastructure.clock import now
from web.demo.upstream.dataset import SEED, days, figures

ALL = ("Sales", "Marketing", "Finance")


def revenue(names: tuple[str, ...] = ALL, last_days: int = 30) -> float:
    """The revenue of these projects in the last days, up to today, in dollars."""
    today = now().date()
    span = days(today - timedelta(days=last_days - 1), today)
    return sum(row.revenue for day in span for name in names for row in figures(SEED, name, day)) / 100
