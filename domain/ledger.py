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
    """State of an account's ledger stream: its last sum."""

    TOPIC: ClassVar[str]

    def __init__(self) -> None:
        self.sum = NO_SUM

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

    def summed(self, context: Context, found: Sum) -> None:
        """Record a sum before a checkpoint is signed."""
        self.record(self.Summed, context, count=found.count, acc=found.chain.hex(), position=found.position)

    def audit_exported(self, context: Context, **facts: Any) -> None:
        """Facts: those of `AuditExported`."""
        self.record(self.AuditExported, context, **facts)
