"""What /readyz says: the database reachable and migrated, keys loaded; how far the views lag and what holds the order up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg

from application.ports import Busy
from application.services import Services
from infrastructure import migrations
from infrastructure.database import DatabaseUnavailable, connect, first_line, views_dsn
from infrastructure.login_keys import LoginKeyLost
from infrastructure.store.sequencer import stalls
from projections.status import lag


@dataclass(frozen=True, slots=True)
class Readiness:
    """`checks` decide whether this node may be sent requests; `lag` and `stalls` concern the views only."""

    checks: dict[str, str]
    lag: dict[str, Any] = field(default_factory=dict)
    stalls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        return all(said == "ok" for said in self.checks.values())

    def as_json(self) -> dict[str, Any]:
        return {"ready": self.ready, "checks": self.checks, "lag": self.lag, "stalls": self.stalls}


def readiness(dsn: str, services: Services) -> Readiness:
    """Ask everything anew; each answer is `ok` or one sentence without any secret."""
    checks: dict[str, str] = {}
    checks["database"] = _said(lambda: connect(views_dsn(dsn)).close())
    if checks["database"] == "ok":
        checks["migrated"] = _said(lambda: migrations.check(dsn))
    if set(checks.values()) != {"ok"}:
        return Readiness(checks)
    checks["keys"] = _said(lambda: _load_keys(services))
    return Readiness(checks, *_order(dsn))


def _load_keys(services: Services) -> None:
    services.login_key("", "")
    for account_id, slug, _ in services.store.tables().accounts():
        if not services.access_tokens.jwks(account_id)["keys"]:
            raise LoginKeyLost(f"The account {slug} has no signing key: run `grantbook keys rotate`.")


def _order(dsn: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        with connect(views_dsn(dsn)) as connection:
            return asdict(lag(connection)), [asdict(stall) for stall in stalls(connection)]
    except (psycopg.Error, DatabaseUnavailable) as error:
        return {"unknown": first_line(error)}, []


def _said(check: Callable[[], object]) -> str:
    try:
        check()
    except (DatabaseUnavailable, migrations.MigrationError, LoginKeyLost, Busy) as error:
        return str(error)
    except psycopg.Error as error:
        return first_line(error)
    return "ok"
