"""The metrics over the data set: what each is called and counts, and how a question is summed and grouped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from web.demo.upstream.dataset import Figures, days, figures
from web.demo.upstream.projects import Project

Dimension = Literal["day", "week", "month", "project", "region", "channel"]
Unit = Literal["USD", "count", "percent"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A sum over rows or, with a denominator, a ratio of two sums."""

    name: str
    label: str
    description: str
    unit: Unit
    numerator: Callable[[Figures], int]
    denominator: Callable[[Figures], int] | None = None


METRICS = {
    metric.name: metric
    for metric in (
        Metric("revenue", "Revenue", "Value of all orders, before refunds.", "USD", lambda row: row.revenue),
        Metric("refunds", "Refunds", "Money paid back for returned orders.", "USD", lambda row: row.refunds),
        Metric("net_revenue", "Net revenue", "Revenue less refunds.", "USD", lambda row: row.revenue - row.refunds),
        Metric("orders", "Orders", "Number of orders placed.", "count", lambda row: row.orders),
        Metric("customers", "New customers", "People who ordered for the first time.", "count", lambda row: row.customers),
        Metric("visits", "Visits", "Visits to the shop, online and in store.", "count", lambda row: row.visits),
        Metric("ad_spend", "Ad spend", "Money spent on advertising.", "USD", lambda row: row.ad_spend),
        Metric("average_order_value", "Average order value", "Revenue per order.", "USD", lambda row: row.revenue, lambda row: row.orders),
        Metric("conversion_rate", "Conversion rate", "Orders per hundred visits.", "percent", lambda row: row.orders, lambda row: row.visits),
    )
}


@dataclass(slots=True)
class _Sum:
    above: int = 0
    below: int = 0

    def add(self, metric: Metric, row: Figures) -> None:
        self.above += metric.numerator(row)
        if metric.denominator is not None:
            self.below += metric.denominator(row)

    def value(self, metric: Metric) -> float:
        scale = {"USD": 100, "count": 1, "percent": 0.01}[metric.unit]
        if metric.denominator is None:
            return self.above / scale
        return round(self.above / (self.below * scale), 2) if self.below else 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """One row of an answer: its place in each asked dimension, and the metric's value there."""

    dimensions: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Table:
    """The value over everything asked for, and the rows by which it was asked to be grouped."""

    total: float
    groups: tuple[Group, ...]


def query(seed: str, projects: Iterable[Project], metric: Metric, start: date, end: date, group_by: tuple[Dimension, ...]) -> Table:
    """Sum a metric over projects and days, both ends included, grouped by the dimensions in their order."""
    total = _Sum()
    sums: dict[tuple[str, ...], _Sum] = {}
    for project in projects:
        for day in days(start, end):
            for row in figures(seed, project.name, day):
                total.add(metric, row)
                if group_by:
                    place = tuple(_place(dimension, project, row) for dimension in group_by)
                    sums.setdefault(place, _Sum()).add(metric, row)
    groups = tuple(Group(dict(zip(group_by, place, strict=True)), sums[place].value(metric)) for place in sorted(sums))
    return Table(total.value(metric), groups)


def _place(dimension: Dimension, project: Project, row: Figures) -> str:
    match dimension:
        case "day":
            return row.day.isoformat()
        case "week":
            return (row.day - timedelta(days=row.day.weekday())).isoformat()
        case "month":
            return row.day.strftime("%Y-%m")
        case "project":
            return project.name
        case "region":
            return row.region
        case "channel":
            return row.channel
