"""View models of the page about the ledger: what was signed, by which key, what was checked, where checkpoints are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from infrastructure.ledger.deposits.state import PlaceState
from infrastructure.ledger.standing import State
from infrastructure.ledger.whole_check import Progress, Verified
from infrastructure.views_check import Checked
from web.pages.models import Kind, Notice, Pager


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRow:
    """`root` in hex. `at` is None for one that was signed before the database was restored here."""

    size: int
    root: str
    at: datetime | None
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestCheckpoint:
    """The newest checkpoint: its row, and the signed note as it is."""

    row: CheckpointRow
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRow:
    """`what` kind of place it is, and how it stands: `word`, with its `kind` of badge."""

    place: PlaceState
    what: str
    word: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerView:
    """`notice`: what is wrong, if anything is. `share`: of the check that runs, in a hundred; `silent`: it was not heard of for a while.
    `check_every`: hours between comparisons of the views, 0 for never."""

    state: State
    notice: Notice | None
    origin: str
    vkeys: tuple[str, ...]
    waiting: int
    newest: NewestCheckpoint | None
    rows: tuple[CheckpointRow, ...]
    pager: Pager
    commands: str
    verified: Verified | None
    findings: tuple[tuple[str, int], ...]
    running: Progress | None
    share: int
    silent: bool
    views: Checked | None
    check_every: int
    places: tuple[PlaceRow, ...]
    may_manage: bool
