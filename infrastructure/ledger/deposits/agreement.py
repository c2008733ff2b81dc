"""Whether what a place holds, or says, agrees with the checkpoint that is on its way there."""

from __future__ import annotations

from datetime import datetime, timedelta

from infrastructure.clock import now
from infrastructure.ledger.deposits.places import Deposit, PlaceAhead, PlaceFailed
from infrastructure.ledger.tree import check_consistency
from infrastructure.ledger.verifier import Checkpoint, NotProven

_APART = timedelta(minutes=10)


def held_already(found: Checkpoint | None, given: Deposit) -> bool:
    """Whether the place holds this very checkpoint. `PlaceAhead` where the log that is deposited does not begin with what it holds."""
    if found is None:
        return False
    if found.size > given.size:
        said = f"It holds a checkpoint of {found.size} entries, this database was signed up to {given.size}: it was set back."
        raise PlaceAhead(said, found.size)
    try:
        check_consistency(found.size, found.root, given.size, given.root, given.consistency(found.size))
    except NotProven:
        raise PlaceAhead(
            f"It holds a checkpoint of {found.size} entries, which are not the first {found.size} of this database.", found.size
        ) from None
    return found.size == given.size


def check_clock(at: datetime) -> None:
    """`PlaceFailed` where the time that the place signed is not the present: then its clock is wrong, or this machine's."""
    if abs(at - now()) > _APART:
        raise PlaceFailed(f"It signed with the time {at:%Y-%m-%dT%H:%M:%SZ}, which is not now: its clock is wrong, or this machine's.")
