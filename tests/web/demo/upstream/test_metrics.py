from __future__ import annotations

from datetime import date

import pytest

from web.demo.upstream.dataset import SEED, figures
from web.demo.upstream.metrics import METRICS, query
from web.demo.upstream.projects import Project

SALES, FINANCE = Project("p1", "Sales"), Project("p2", "Finance")
START, END = date(2026, 1, 30), date(2026, 2, 2)
ROWS = [row for project in (SALES, FINANCE) for day in (30, 31) for row in figures(SEED, project.name, date(2026, 1, day))]


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.denominator is None])
def test_sums_group_without_a_rest(name: str) -> None:
    table = query(SEED, [SALES, FINANCE], METRICS[name], START, END, ("project", "day", "region", "channel"))
    assert len(table.groups) == 2 * 4 * 9
    assert round(sum(group.value for group in table.groups), 2) == table.total > 0


def test_money_is_given_in_dollars_and_counts_as_they_are() -> None:
    table = query(SEED, [SALES, FINANCE], METRICS["revenue"], START, date(2026, 1, 31), ())
    assert table.total == sum(row.revenue for row in ROWS) / 100
    assert query(SEED, [SALES, FINANCE], METRICS["orders"], START, date(2026, 1, 31), ()).total == sum(row.orders for row in ROWS)


def test_a_ratio_is_that_of_the_sums_not_the_sum_of_ratios() -> None:
    orders, revenue, visits = (sum(getattr(row, name) for row in ROWS) for name in ("orders", "revenue", "visits"))
    end = date(2026, 1, 31)
    assert query(SEED, [SALES, FINANCE], METRICS["average_order_value"], START, end, ()).total == round(revenue / orders / 100, 2)
    assert query(SEED, [SALES, FINANCE], METRICS["conversion_rate"], START, end, ()).total == round(orders / visits * 100, 2)


def test_weeks_begin_on_monday_and_months_are_calendar_months() -> None:
    weeks = query(SEED, [SALES], METRICS["orders"], START, END, ("week",)).groups
    assert [group.dimensions["week"] for group in weeks] == ["2026-01-26", "2026-02-02"]
    months = query(SEED, [SALES], METRICS["orders"], START, END, ("month",)).groups
    assert [group.dimensions["month"] for group in months] == ["2026-01", "2026-02"]


def test_no_days_give_zero_and_no_rows() -> None:
    table = query(SEED, [SALES], METRICS["average_order_value"], END, START, ("day",))
    assert (table.total, table.groups) == (0.0, ())
