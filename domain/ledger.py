"""What happened to the record itself: the sums that show an export to be complete, and exports of the audit log."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar

from domain.base import Context, RecordedAnyTime, Stream, topic


@dataclass(frozen=True, slots=True)
class Sum:
    """How many events an account has up to a position, and which (EVIDENCE.md 1, completeness)."""

    count: int
    chain: bytes
    position: int

    def with_event(self, leaf_hash: bytes, position: int) -> Sum:
        return Sum(self.count + 1, hashlib.sha256(self.chain + leaf_hash).digest(), position)


NO_SUM = Sum(0, bytes(32), 0)


@topic("ledger")
class Ledger(Stream):
    """State of an account's ledger stream: its last sum, and which restored copy was taken over last."""

    TOPIC: ClassVar[str]

    def __init__(self) -> None:
        self.sum = NO_SUM
        self.adopted = 0

    class Event(RecordedAnyTime):
        STREAM = "ledger"

    @topic("ledger.audit_exported")
    class AuditExported(Event):
        """`format`: csv, jsonl or ocsf; `filter` as it was asked; `rows` exported, up to `position`."""

        format: str
        filter: dict[str, str]
        rows: int
        position: int

    @topic("ledger.summed")
    class Summed(Event):
        """The account has `count` events up to `position`, sums apart; `acc` chains their leaf hashes: SHA-256 over the chain before and the next."""

        count: int
        acc: str
        position: int

        def apply(self, aggregate: Ledger) -> None:
            aggregate.sum = Sum(self.count, bytes.fromhex(self.acc), self.position)

    @topic("ledger.adopted")
    class Adopted(Event):
        """A restored copy was taken over as `number`. `log` goes on from the `size` entries of `checkpoint`, the last good one of `old_log`.

        `lost`: entries that `old_log` is known to have had beyond the copy, which the checkpoint `ahead` shows ("" where none is known);
        `placed`: restored events that got a position here; `sessions_ended`: whether every session was.
        """

        number: int
        log: str
        old_log: str
        size: int
        checkpoint: str
        lost: int
        ahead: str
        placed: int
        sessions_ended: bool

        def apply(self, aggregate: Ledger) -> None:
            aggregate.adopted = self.number

    @topic("ledger.rollback_suspected")
    class RollbackSuspected(Event):
        """A genuine token (`kind`: code or refresh_token) of a generation of this grant that was never recorded here: was a backup restored?"""

        kind: str
        grant_id: str
        generation: int

    def summed(self, context: Context, found: Sum) -> None:
        """Record a sum before a checkpoint is signed."""
        self.record(self.Summed, context, count=found.count, acc=found.chain.hex(), position=found.position)

    def audit_exported(self, context: Context, **facts: Any) -> None:
        """Facts: those of `AuditExported`."""
        self.record(self.AuditExported, context, **facts)

    def take_over(self, context: Context, **facts: Any) -> None:
        """Record an adoption once. Facts: those of `Adopted`."""
        if facts["number"] > self.adopted:
            self.record(self.Adopted, context, **facts)

    def suspect_rollback(self, context: Context, *, kind: str, grant_id: str, generation: int) -> None:
        self.record(self.RollbackSuspected, context, kind=kind, grant_id=grant_id, generation=generation)
