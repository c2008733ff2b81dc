"""What every place has in common where checkpoints are deposited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.verifier import Checkpoint

Kind = Literal["folder", "witness", "timestamp", "git"]
LARGEST = 64 * 1024
"""Bytes of a checkpoint: what is longer is none."""


class PlaceFailed(Exception):
    """It was not deposited, and will be tried again. The message says why without a secret, for the operator."""


class PlaceAhead(Exception):
    """The place holds what this database doesn't: more of the log, `size` entries where it is known, or another past. The message says so."""

    def __init__(self, message: str, size: int | None = None) -> None:
        super().__init__(message)
        self.size = size


@dataclass(frozen=True, slots=True)
class Deposit:
    """A checkpoint on its way. `consistency(old)` is the proof that it begins with the log of `old` entries (RFC 9162 2.1.4)."""

    signer: LogSigner
    size: int
    root: bytes
    note: str
    consistency: Callable[[int], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came back: `kept` is stored whole, `told` is its short form for the event and the page."""

    kept: str
    told: str


class Place(Protocol):
    """One place. Whatever goes wrong on the way is a `PlaceFailed`; a second deposit of the same checkpoint is none at all."""

    kind: Kind
    name: str
    """How people know it: everybody who reaches /readyz reads it, so without a password or a path of this machine."""

    def holds(self, signer: LogSigner) -> Checkpoint | None:
        """The newest checkpoint of this log that the place shows; None where it has none or shows none."""

    def others(self, signer: LogSigner) -> Sequence[Checkpoint]:
        """Checkpoints under this log's name that none of its keys signed, the largest first; none where it shows none. Nobody says that they are
        genuine."""

    def deposit(self, given: Deposit, last: int) -> Receipt:
        """Hand it over; `last` is the size that was deposited here before, 0 at first. `PlaceAhead` if the place knows more of the log."""
