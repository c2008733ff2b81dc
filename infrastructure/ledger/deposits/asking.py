"""What the places outside are known to hold, asked before a restored copy is taken over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from infrastructure.ledger import store
from infrastructure.ledger.deposits import record
from infrastructure.ledger.deposits.configured import configured
from infrastructure.ledger.deposits.places import Deposit, Place, PlaceAhead, PlaceFailed
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.store import Connection
from infrastructure.ledger.verifier import Checkpoint
from infrastructure.settings import Settings

_NUMBERED = re.compile(r"(.*)/([0-9]+)\Z")


@dataclass(frozen=True, slots=True)
class Told:
    """`checkpoints`: what each place holds, after words for where. A witness names a size only: its root is empty then, and so is its note.
    `silent`: a sentence for each place that could not be asked."""

    checkpoints: list[tuple[str, Checkpoint]] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)


def ask(settings: Settings, connection: Connection, log: str) -> Told:
    """Ask every place for its newest checkpoint of this log, and of those that would come after it under the next numbers."""
    told = Told()
    for place in configured(settings.deposits):
        try:
            told.checkpoints.extend((f"deposited at {place.name}", held) for held in _held(place, LogSigner(log, settings.ledger_key)))
            if place.kind == "witness":
                told.checkpoints.extend((f"cosigned by {place.name}", known) for known in _witnessed(place, settings, connection, log))
        except PlaceFailed as error:
            told.silent.append(f"{place.name} ({place.kind}) can't be asked what it holds: {error}")
    return told


def numbered(log: str) -> tuple[str, int]:
    """A log's name without its number, and the number: 1 where it has none."""
    match = _NUMBERED.fullmatch(log)
    return (match[1], int(match[2])) if match else (log, 1)


def _held(place: Place, signer: LogSigner) -> Iterator[Checkpoint]:
    while (held := place.holds(signer)) is not None:
        yield held
        base, number = numbered(signer.origin)
        signer = signer.named(f"{base}/{number + 1}")


def _witnessed(place: Place, settings: Settings, connection: Connection, log: str) -> Iterator[Checkpoint]:
    """A witness shows nothing, but it doesn't sign anew for what is less than it has signed for, or something else."""
    signed, made = store.newest(connection, log), record.last(connection, log, place.kind, place.name)
    if signed is None:
        return
    proof = store.tree(connection, signed.size).consistency
    try:
        given = Deposit(LogSigner(log, settings.ledger_key), signed.size, signed.root, signed.note, proof)
        place.deposit(given, min(made.size, signed.size) if made else 0)
    except PlaceAhead as error:
        yield Checkpoint(log, error.size or 0, b"", "")
