from __future__ import annotations

import subprocess
import sys
from datetime import date

from tests.web.demo.upstream.harness import ROOT
from web.demo.upstream.dataset import CHANNELS, FIRST_DAY, REGIONS, SEED, days, figures

DAY = date(2026, 3, 14)
PINNED = (168, 372256, 2205, 66, 4254, 27126)


def test_a_day_has_one_row_for_each_region_and_channel() -> None:
    rows = figures(SEED, "Sales", DAY)
    assert [(row.region, row.channel) for row in rows] == [(region, channel) for region in REGIONS for channel in CHANNELS]
    assert all(row.day == DAY and row.orders > 0 and row.revenue > 0 for row in rows)
    assert all(0 <= row.refunds < row.revenue and 0 <= row.customers <= row.orders < row.visits for row in rows)


def test_another_process_generates_the_same_figures() -> None:
    script = "import datetime, sys; from web.demo.upstream.dataset import SEED, figures; print(figures(SEED, 'Sales', datetime.date(2026, 3, 14)))"
    for seed in ("1", "2"):
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(figures(SEED, "Sales", DAY))


def test_figures_are_pinned_so_that_an_upgrade_never_changes_history() -> None:
    first = figures(SEED, "Sales", DAY)[0]
    assert (first.orders, first.revenue, first.refunds, first.customers, first.visits, first.ad_spend) == PINNED


def test_projects_seeds_and_days_differ() -> None:
    totals = {
        sum(row.revenue for row in figures(seed, name, day))
        for seed in (SEED, "other")
        for name in ("Sales", "Marketing", "Finance", "Something new")
        for day in (DAY, date(2026, 3, 15))
    }
    assert len(totals) == 16


def test_days_run_from_the_first_covered_one_to_the_end() -> None:
    assert list(days(date(2020, 1, 1), date(2024, 1, 2))) == [FIRST_DAY, date(2024, 1, 2)]
    assert list(days(DAY, date(2026, 3, 13))) == []
