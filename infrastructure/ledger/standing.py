"""How the log stands: its newest checkpoint, what waits for one, and why nothing is signed where nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infrastructure.ledger import store
from infrastructure.ledger.notes import signed_by
from infrastructure.ledger.sealing import refusal, signer_of
from infrastructure.ledger.store import Connection, Signed
from infrastructure.readiness import LATE_S
from infrastructure.settings import Settings
from infrastructure.store.reader import head

State = Literal["current", "empty", "late", "unknown_key", "refused"]


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
    newest_position, waits = head(connection), store.waiting_seconds(connection, size)
    return Standing(
        origin=signer.origin,
        vkeys=tuple(signer.vkeys),
        newest=newest,
        waiting=0 if waits is None else max(0, newest_position - size),
        waiting_seconds=waits or 0.0,
        refused=refusal(connection),
        known_key=newest is None or signed_by(newest.note, signer) is not None,
    )
