"""How the log stands: its newest checkpoint, what waits for one, and why nothing is signed where nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infrastructure.ledger import store
from infrastructure.ledger.sealing import refusal, signer_of
from infrastructure.ledger.store import Connection, Signed
from infrastructure.ledger.verifier import NotProven, open_checkpoint
from infrastructure.readiness import LATE_S
from infrastructure.settings import Settings

State = Literal["current", "empty", "late", "unknown_key", "refused"]

_HEAD = "SELECT coalesce(max(position), 0) FROM positions"
# Sums are recorded for a checkpoint and need none of their own.
_WAITING = """SELECT extract(epoch FROM clock_timestamp() - p.at)::float FROM positions p JOIN events e USING (originator_id, originator_version)
WHERE p.position > %s AND e.topic <> 'ledger.summed' ORDER BY p.position LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Standing:
    """`vkeys`: the newest first. `waiting`: events after the newest checkpoint, the oldest of which has waited `waiting_seconds`; `refused`: why
    nothing is signed; `known_key`: whether one of `vkeys` signed the newest checkpoint."""

    origin: str
    vkeys: tuple[str, ...]
    newest: Signed | None
    waiting: int
    waiting_seconds: float
    refused: str | None
    known_key: bool

    @property
    def state(self) -> State:
        """The worst first."""
        if self.refused is not None:
            return "refused"
        if not self.known_key:
            return "unknown_key"
        if self.waiting_seconds >= LATE_S:
            return "late"
        return "empty" if self.newest is None else "current"


def standing(settings: Settings, connection: Connection) -> Standing:
    """Read at one moment, but not in one snapshot: a checkpoint that comes meanwhile leaves nothing waiting."""
    signer = signer_of(settings, connection)
    newest = store.newest(connection, signer.origin)
    size = 0 if newest is None else newest.size
    head, waits = connection.execute(_HEAD).fetchone(), connection.execute(_WAITING, (size,)).fetchone()
    return Standing(
        origin=signer.origin,
        vkeys=tuple(signer.vkeys),
        newest=newest,
        waiting=0 if head is None or waits is None else max(0, head[0] - size),
        waiting_seconds=0.0 if waits is None else max(0.0, waits[0]),
        refused=refusal(connection),
        known_key=newest is None or any(_opens(newest.note, vkey) for vkey in signer.vkeys),
    )


def _opens(note: str, vkey: str) -> bool:
    try:
        open_checkpoint(note, vkey)
    except NotProven:
        return False
    return True
