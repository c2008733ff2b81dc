"""What /readyz says: the database reachable and migrated, keys loaded; how far the views lag and what holds the order up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg

from application.ports import Busy
from application.rollback_alarm import ALARM
from application.services import Services
from infrastructure import migrations
from infrastructure.database import DatabaseUnavailable, connect, first_line, views_dsn
from infrastructure.ledger import store
from infrastructure.ledger.deposits.state import places
from infrastructure.ledger.sealing import name_of, refusal
from infrastructure.login_keys import LoginKeyLost
from infrastructure.run_folder import draining
from infrastructure.settings import Settings
from infrastructure.store.era import unfit
from infrastructure.store.sequencer import Stall, stalls
from infrastructure.views_check import Checked, last_check
from projections.status import Lag, lag, status

SILENT_S = 5.0
"""A leader says something twice a second."""
LATE_S = 30.0
_SOCKET = re.compile(r'on socket "[^"]*"')
_NO_DATABASE = "See that PostgreSQL runs and that GRANTBOOK_DATABASE_URL names it."
_LEADER = "SELECT holder, backend_pid, extract(epoch FROM now() - heartbeat_at)::float FROM projector_leader"

_ALARM = """SELECT value::timestamptz AT TIME ZONE 'UTC' FROM store_meta
WHERE key = %s AND value::timestamptz > clock_timestamp() - interval '1 day'"""


@dataclass(frozen=True, slots=True)
class Readiness:
    """`checks` decide whether this node may be sent requests; `warnings`, `lag` and `stalls` concern the views only."""

    checks: dict[str, str]
    lag: dict[str, Any] = field(default_factory=dict)
    stalls: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    views_compared: dict[str, Any] | None = None
    """When the views were last compared with the events, how long that took, and which differ; None before the first time."""

    @property
    def ready(self) -> bool:
        return all(said == "ok" for said in self.checks.values())

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"ready": self.ready}


def readiness(dsn: str, services: Services, settings: Settings) -> Readiness:
    """Ask everything anew; each answer is `ok`, or says in words without any secret what is wrong and what to do."""
    checks = {"serving": "The server is about to end: send requests to another node."} if draining() else {}
    checks["database"] = _said(lambda: connect(views_dsn(dsn)).close())
    if checks["database"] != "ok":
        checks["database"] += f" {_NO_DATABASE}"
    else:
        checks["migrated"] = _said(lambda: migrations.check(dsn))
    if checks.get("migrated") != "ok":
        return Readiness(checks)
    checks["cluster"] = _said(lambda: _fit(dsn))
    checks["keys"] = _said(lambda: _load_keys(services))
    return Readiness(checks, *_order(dsn, settings))


def _fit(dsn: str) -> None:
    with connect(views_dsn(dsn)) as connection:
        why = unfit(connection)
    if why is not None:
        raise Busy(why)


def _load_keys(services: Services) -> None:
    services.login_key("", "")
    for account_id, _, _ in services.store.tables().accounts():  # not named: whoever reaches this node reads what it says
        if not services.access_tokens.jwks(account_id)["keys"]:
            raise LoginKeyLost("An account has no signing key: see `grantbook keys list`, run `grantbook keys rotate`.")


def _order(dsn: str, settings: Settings) -> tuple[dict[str, Any], list[dict[str, Any]], list[str], dict[str, Any] | None]:
    """Lag, stalls, both in words, and how the views compare."""
    try:
        with connect(views_dsn(dsn)) as connection:
            behind, found, checked = lag(connection), stalls(connection), last_check(connection)
            warnings = [
                *_projector(connection),
                *_stopped(connection),
                *_behind(behind),
                *map(_stall, found),
                *_ledger(settings, connection, behind),
                *_deposits(settings, connection),
                *_rollback(connection),
                *_differing(checked),
            ]
            compared = None if checked is None else {"at": checked.at.isoformat(), "seconds": checked.seconds, "differing": checked.differing}
            return asdict(behind), [asdict(stall) for stall in found], warnings, compared
    except (psycopg.Error, DatabaseUnavailable) as error:
        said = _without_paths(first_line(error))
        return {"unknown": said}, [], [f"How far the views are behind can't be told: {said}"], None


def _projector(connection: psycopg.Connection[Any]) -> list[str]:
    row = connection.execute(_LEADER).fetchone()
    if row is None:
        return ["No projector has ever run: start `grantbook projector`, or `grantbook serve` without --no-projector. Pages show nothing until then."]
    holder, pid, age = row
    if age < SILENT_S:
        return []
    return [
        f"No projector has been heard of for {age:.0f} s (the last was {holder}, database pid {pid}): start `grantbook projector`, or see its log."
    ]


def _stopped(connection: psycopg.Connection[Any]) -> list[str]:
    return [
        f"The projection {each.name} has stopped after position {each.position}: {each.error} "
        f"Upgrade or repair what it says, then run `grantbook projections rebuild {each.name}`."
        for each in status(connection)
        if each.state == "stopped"
    ]


def _behind(behind: Lag) -> list[str]:
    if behind.stopped is not None or not behind.behind or behind.seconds < LATE_S:
        return []
    return [f"The views are {behind.seconds:.0f} s and {behind.behind} events behind: see the projector's log and the load of the database."]


def _ledger(settings: Settings, connection: psycopg.Connection[Any], behind: Lag) -> list[str]:
    """A refusal to sign, or events that nobody has signed for a while."""
    refused = refusal(connection)
    if refused is not None:
        return [f"The ledger is not signed: {refused}"]
    newest = store.newest(connection, name_of(settings, connection))
    waited = store.waiting_seconds(connection, 0 if newest is None else newest.size)
    if waited is None or waited < LATE_S:
        return []
    return [f"Events have waited {waited:.0f} s for a checkpoint (the last position is {behind.head}): see the projector's log."]


def _deposits(settings: Settings, connection: psycopg.Connection[Any]) -> Iterator[str]:
    for place in places(settings, connection):
        if place.failing_since is not None:
            yield (
                f"Checkpoints have not been deposited with {place.name} ({place.kind}) since {place.failing_since:%Y-%m-%d %H:%M}Z: {place.why} "
                f"It is tried again at {place.next_try:%H:%M:%S}Z."
            )
        if place.another_log is not None:
            yield f"{place.name} ({place.kind}): {place.another_log}"


def _differing(found: Checked | None) -> list[str]:
    if found is None:
        return []
    return [
        f"The view {name} was not as the events say at {found.at:%Y-%m-%d %H:%M}Z, in {found.differences[name]} rows: `grantbook projections verify "
        f"{name}` prints them, `grantbook projections rebuild {name}` makes it anew."
        for name in found.differing
    ]


def _rollback(connection: psycopg.Connection[Any]) -> list[str]:
    row = connection.execute(_ALARM, (ALARM,)).fetchone()
    if row is None:
        return []
    return [
        f"A genuine token that was never recorded here came at {row[0]:%Y-%m-%d %H:%M}Z: was a backup restored, or an older replica promoted? "
        "If so, run `grantbook ledger adopt`. If not, somebody else holds a secret key: change GRANTBOOK_SECRET_KEYS."
    ]


def _stall(stall: Stall) -> str:
    age = "for a time that this role may not see" if stall.age_seconds is None else f"for {stall.age_seconds:.0f} s"
    if stall.pid is None:
        return f"The prepared transaction {stall.name!r} holds up the order of events {age}: commit it or roll it back."
    whose = f"A transaction of pid {stall.pid} ({stall.name or 'unnamed'}) holds up the order of events {age}"
    return f"{whose}: end it, or run SELECT pg_terminate_backend({stall.pid})."


def _without_paths(said: str) -> str:
    """What libpq says, without the folder of its socket: everybody who reaches this node reads it."""
    return _SOCKET.sub("on its socket", said)


def _said(check: Callable[[], object]) -> str:
    try:
        check()
    except (DatabaseUnavailable, migrations.MigrationError, LoginKeyLost, Busy) as error:
        return _without_paths(str(error))
    except psycopg.Error as error:
        return _without_paths(first_line(error))
    return "ok"
