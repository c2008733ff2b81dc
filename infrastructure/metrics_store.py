"""Gauges that are asked of the database at each scrape: the head, where each projection stands, what holds up the order, what is deposited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from application.counting import Key
from infrastructure.clock import now
from infrastructure.database import VIEWS, DatabaseUnavailable, connect, with_parameters
from infrastructure.ledger.deposits.state import places
from infrastructure.ledger.sealing import refusal
from infrastructure.settings import Settings
from infrastructure.store.sequencer import stalls
from infrastructure.views_check import last_check
from projections.registry import PROJECTIONS
from projections.status import lag, status

_PATIENCE_MS = 2_000
_CONNECT_S = 3


def store_gauges(dsn: Callable[[], str], settings: Settings | None = None) -> dict[Key, float]:
    """By key; only `database_up` 0 where the database doesn't answer, or isn't migrated. `settings`: those of the places outside."""
    try:
        asked = with_parameters(dsn(), application_name=VIEWS, statement_timeout_ms=_PATIENCE_MS, connect_timeout_s=_CONNECT_S)
        with connect(asked) as connection:
            found: dict[Key, float] = {("database_up",): 1.0}
            for each in status(connection):
                found["head_position",] = float(each.head)
                found["projection_lag_events", each.name] = float(max(0, each.head - each.position))
                found["projection_stopped", each.name] = float(each.state == "stopped")
            for projection in PROJECTIONS:
                found["projection_lag_seconds", projection.name] = lag(connection, projection.name).seconds
            checked = last_check(connection)
            if checked is not None:
                found |= {("projection_differences", name): float(rows) for name, rows in checked.differences.items()}
                found["projection_compared_age_seconds",] = (now() - checked.at).total_seconds()
            found["order_stall_seconds",] = max((s.age_seconds or 0.0 for s in stalls(connection)), default=0.0)
            found["ledger_refused",] = float(refusal(connection) is not None)
            return found | ({} if settings is None else _places(settings, connection))
    except (psycopg.Error, DatabaseUnavailable):
        return {("database_up",): 0.0}


def _places(settings: Settings, connection: psycopg.Connection[Any]) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for place in places(settings, connection):
        failing = 0.0 if place.failing_since is None else (now() - place.failing_since).total_seconds()
        found["ledger_place_failing_seconds", place.kind, place.name] = failing
        if place.age_seconds is not None:
            found["ledger_place_age_seconds", place.kind, place.name] = place.age_seconds
    return found
