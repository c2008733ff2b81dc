"""What the store knows of deposits: those that were made, and which place is in trouble."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from infrastructure.ledger.deposits.places import Kind, Receipt
from infrastructure.ledger.kept import SealRefused, advice, difference
from infrastructure.ledger.store import Connection, Signed
from infrastructure.store import era

OWN = ("ledger.summed", "ledger.checkpoint_deposited")
"""Events that a checkpoint or its deposit causes: a deposit of nothing but these would cause the next one, for ever."""

_KEEP = "INSERT INTO ledger_deposits (origin, kind, place, size, root, receipt, told) VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
_LAST = """SELECT size, root, told, at, extract(epoch FROM clock_timestamp() - at)::float FROM ledger_deposits
WHERE (origin, kind, place) = (%s, %s, %s) ORDER BY size DESC LIMIT 1"""
_LARGEST = "SELECT place, size, root FROM ledger_deposits WHERE origin = %s ORDER BY size DESC LIMIT 1"
_OF_SIZE = "SELECT kind, place, receipt, told, at FROM ledger_deposits WHERE origin = %s AND size = %s ORDER BY kind, place"
_WITNESSED = "SELECT max(size) FROM ledger_deposits WHERE origin = %s AND kind = 'witness'"
_NEWS = """EXISTS (SELECT FROM positions p JOIN events e USING (originator_id, originator_version)
WHERE {of} p.position > %(after)s AND p.position <= %(to)s AND e.topic <> ALL(%(own)s))"""
_ANY_NEWS = f"SELECT {_NEWS.format(of='')}"
_WHOSE_NEWS = f"SELECT a.account_id::text FROM accounts a WHERE {_NEWS.format(of='p.account_id = a.account_id AND')} ORDER BY 1"


@dataclass(frozen=True, slots=True)
class Made:
    """A deposit that was made: of how many entries, their root, what came back in short, when, and how many seconds ago."""

    size: int
    root: bytes
    told: str
    at: datetime
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A checkpoint that stands at a place: `receipt` is what came back, whole; `told`, in short."""

    kind: Kind
    place: str
    receipt: str
    told: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Trouble:
    """A place of `log` fails `since`, for the `times`-th time, and `why`; `next_try` is when it is tried again. `ahead`: it holds what this database
    doesn't (`size` entries, where it is known), so nothing is signed."""

    log: str
    since: datetime
    times: int
    why: str
    next_try: datetime
    ahead: bool = False
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Another:
    """At a place of `log` stands a checkpoint of its name, of `size` entries, that no key of it signed and that is none of this database's."""

    log: str
    size: int


def keep(connection: Connection, origin: str, kind: Kind, place: str, size: int, root: bytes, receipt: Receipt) -> None:
    connection.execute(_KEEP, (origin, kind, place, size, root, receipt.kept, receipt.told))


def last(connection: Connection, origin: str, kind: Kind, place: str) -> Made | None:
    """The newest deposit at a place."""
    row = connection.execute(_LAST, (origin, kind, place)).fetchone()
    return None if row is None else Made(row[0], bytes(row[1]), *row[2:])


def check(connection: Connection, last: Signed | None, origin: str) -> None:
    """`SealRefused` if more was deposited than this database was signed up to, or something else."""
    row = connection.execute(_LARGEST, (origin,)).fetchone()
    why = None if row is None else difference(connection, last, row[1], bytes(row[2]), f"that was deposited ({row[0]})")
    if why is not None:
        raise SealRefused(why, advice(origin))


def of_size(connection: Connection, origin: str, size: int) -> list[Standing]:
    """Where the checkpoint of this size stands."""
    return [Standing(*row) for row in connection.execute(_OF_SIZE, (origin, size))]


def witnessed(connection: Connection, origin: str) -> int | None:
    """The size of the newest checkpoint that a witness cosigned."""
    row = connection.execute(_WITNESSED, (origin,)).fetchone()
    return None if row is None else row[0]


def cosignatures(connection: Connection, origin: str, size: int) -> str:
    """The lines of the witnesses that cosigned the checkpoint of this size."""
    return "".join(each.receipt for each in of_size(connection, origin, size) if each.kind == "witness")


def has_news(connection: Connection, after: int, to: int) -> bool:
    """Whether there is more between two positions (the first not included) than what deposits themselves cause."""
    row = connection.execute(_ANY_NEWS, {"after": after, "to": to, "own": list(OWN)}).fetchone()
    return row is not None and bool(row[0])


def whose_news(connection: Connection, after: int, to: int) -> list[str]:
    """The accounts that it happened in."""
    return [row[0] for row in connection.execute(_WHOSE_NEWS, {"after": after, "to": to, "own": list(OWN)})]


def trouble(connection: Connection, origin: str, kind: str, place: str) -> Trouble | None:
    """What is wrong with a place of this log; None where nothing is known to be."""
    said = era.meta(connection, _key(kind, place))
    if not said:
        return None
    found = json.loads(said)
    times = {name: datetime.fromisoformat(found[name]) for name in ("since", "next_try")}
    told = Trouble(**found | times)
    return told if told.log == origin else None


def set_trouble(connection: Connection, kind: str, place: str, found: Trouble | None) -> None:
    """Keep it; None: nothing is wrong any more."""
    if found is None:
        if era.meta(connection, _key(kind, place)):
            era.set_meta(connection, _key(kind, place), "")
        return
    era.set_meta(connection, _key(kind, place), json.dumps(asdict(found), default=datetime.isoformat))


def another(connection: Connection, origin: str, kind: str, place: str) -> Another | None:
    """Whose checkpoints were seen beside this log's; None where none were."""
    said = era.meta(connection, _beside(kind, place))
    found = Another(**json.loads(said)) if said else None
    return found if found is not None and found.log == origin else None


def set_another(connection: Connection, kind: str, place: str, found: Another | None) -> None:
    """Keep it; None: there is none, or not any more."""
    if found is not None or era.meta(connection, _beside(kind, place)):
        era.set_meta(connection, _beside(kind, place), "" if found is None else json.dumps(asdict(found)))


def _beside(kind: str, place: str) -> str:
    return f"ledger.another.{kind}.{place}"


def _key(kind: str, place: str) -> str:
    return f"ledger.place.{kind}.{place}"
