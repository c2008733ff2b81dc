"""How each configured place stands: for /readyz, the metrics, the page and the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from infrastructure.ledger.deposits import record
from infrastructure.ledger.deposits.configured import configured
from infrastructure.ledger.deposits.places import Kind
from infrastructure.ledger.sealing import name_of
from infrastructure.ledger.store import Connection
from infrastructure.settings import Settings


@dataclass(frozen=True, slots=True)
class PlaceState:
    """A place where checkpoints of the log are deposited. Times are UTC.

    `size`, `at`, `age_seconds`, `told`: the last deposit, and what came back in short; None before the first. `failing_since`, `failures`, `why`,
    `next_try`: None (0) where nothing is wrong; `why` is for everybody. `stops_signing`: it holds what this database doesn't. `another_log`: the
    warning that somebody else's checkpoints of the log's name stand there, too.
    """

    kind: Kind
    name: str
    size: int | None
    at: datetime | None
    age_seconds: float | None
    told: str | None
    failing_since: datetime | None
    failures: int
    why: str | None
    next_try: datetime | None
    stops_signing: bool
    another_log: str | None


def places(settings: Settings, connection: Connection) -> list[PlaceState]:
    """All places, in the order of the settings: none where none is set."""
    chosen = configured(settings.deposits)
    origin = name_of(settings, connection) if chosen else ""
    found = []
    for place in chosen:
        made, trouble = record.last(connection, origin, place.kind, place.name), record.trouble(connection, origin, place.kind, place.name)
        found.append(
            PlaceState(
                place.kind,
                place.name,
                size=made.size if made else None,
                at=made.at if made else None,
                age_seconds=made.age_seconds if made else None,
                told=made.told if made else None,
                failing_since=trouble.since if trouble else None,
                failures=trouble.times if trouble else 0,
                why=trouble.why if trouble else None,
                next_try=trouble.next_try if trouble else None,
                stops_signing=trouble.ahead if trouble else False,
                another_log=_another(record.another(connection, origin, place.kind, place.name)),
            )
        )
    return found


def _another(found: record.Another | None) -> str | None:
    if found is None:
        return None
    return (
        f"Another log of this name stands there, too: {found.size:,} entries, signed by no key that this server knows. If this server took the place "
        "of another one, keep what that one left and move it away; if it did not, somebody else deposits under this log's name."
    )
