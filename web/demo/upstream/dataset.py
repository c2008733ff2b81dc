"""The generated data set: a day's figures of a project are a pure function of the seed, the project's name, the day, region and channel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

SEED = "jaffle"
FIRST_DAY = date(2024, 1, 1)
REGIONS = ("Americas", "Europe", "Asia Pacific")
CHANNELS = ("Online", "Store", "Partner")

_WEEKDAY = (0.92, 0.9, 0.95, 1.0, 1.16, 1.22, 0.85)
_REGION = {"Americas": 0.46, "Europe": 0.34, "Asia Pacific": 0.2}
_CHANNEL = {"Online": 0.55, "Store": 0.3, "Partner": 0.15}
_KNOWN = {"Sales": (420.0, 2450.0), "Marketing": (150.0, 1900.0), "Finance": (90.0, 5200.0)}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one project did on one day in one region through one channel; money in whole cents."""

    day: date
    region: str
    channel: str
    orders: int
    revenue: int
    refunds: int
    customers: int
    visits: int
    ad_spend: int


def days(start: date, end: date) -> Iterator[date]:
    """Each day from start to end, both included, that the data set covers."""
    day = max(start, FIRST_DAY)
    while day <= end:
        yield day
        day += timedelta(days=1)


@lru_cache(maxsize=8192)
def figures(seed: str, project: str, day: date) -> tuple[Figures, ...]:
    """The figures of one project (by name) on one day, one row for each region and channel."""
    return tuple(_figures(seed, project, day, region, channel) for region in REGIONS for channel in CHANNELS)


def _figures(seed: str, project: str, day: date, region: str, channel: str) -> Figures:
    demand, basket, returned, first, looked, paid = _noise(seed, project, day.isoformat(), region, channel)
    daily_orders, cents_per_order = _profile(seed, project)
    growth = 1 + (day - FIRST_DAY).days / 1500
    expected = daily_orders * growth * _WEEKDAY[day.weekday()] * _REGION[region] * _CHANNEL[channel]
    orders = round(expected * (0.8 + 0.4 * demand))
    revenue = round(orders * cents_per_order * (0.9 + 0.2 * basket))
    return Figures(
        day=day,
        region=region,
        channel=channel,
        orders=orders,
        revenue=revenue,
        refunds=round(revenue * 0.06 * returned),
        customers=round(orders * (0.2 + 0.25 * first)),
        visits=round(orders * (14 + 12 * looked)),
        ad_spend=round(revenue * (0.05 + 0.1 * paid)) if channel == "Online" else 0,
    )


@lru_cache(maxsize=256)
def _profile(seed: str, project: str) -> tuple[float, float]:
    """Orders a day and cents per order of a project at the beginning."""
    if project in _KNOWN:
        return _KNOWN[project]
    size, price, *_ = _noise(seed, project)
    return 80 + 300 * size, 1200 + 3000 * price


def _noise(*parts: str) -> tuple[float, ...]:
    """Six numbers in [0, 1) that depend on all parts and on nothing else."""
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=12).digest()
    return tuple(int.from_bytes(digest[at : at + 2], "big") / 65536 for at in range(0, 12, 2))
