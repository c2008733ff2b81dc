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
    """State of an account's ledger stream: its last sum, which restored copy was taken over last, what was deposited where."""

    TOPIC: ClassVar[str]

    def __init__(self) -> None:
        self.sum = NO_SUM
        self.adopted = 0
        self.deposited: dict[str, int] = {}
        """The size of the newest checkpoint by log and place."""

    class Event(RecordedAnyTime):
        STREAM = "ledger"

    @topic("ledger.audit_exported")
    class AuditExported(Event):
        """`format`: csv, jsonl, ocsf or zip; `filter` as it was asked; `rows` exported, up to `position`.

        `whole`: whether that was all of it, or the export broke off; None in events of before it was recorded.
        """

        class_version = 2
        format: str
        filter: dict[str, str]
        rows: int
        position: int
        whole: bool | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            state["whole"] = None

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

    @topic("ledger.sealer_started")
    class SealerStarted(Event):
        """The log `log` is signed again, from its checkpoint of `size` entries on (0: its first). `waited`: seconds that the oldest event waited."""

        log: str
        size: int
        waited: int

    @topic("ledger.sealer_stopped")
    class SealerStopped(Event):
        """Nothing more is signed, and `why`."""

        log: str
        why: str

    @topic("ledger.checkpoint_deposited")
    class CheckpointDeposited(Event):
        """The checkpoint of `size` entries and `root` (hex) stands outside, at `place` (`kind`: folder, witness, timestamp, git).

        `receipt`: in short what came back (the cosignature line, the token's serial number and time, the commit, the file).
        """

        log: str
        kind: str
        place: str
        size: int
        root: str
        receipt: str

        def apply(self, aggregate: Ledger) -> None:
            aggregate.deposited = {**aggregate.deposited, f"{self.log} {self.kind} {self.place}": self.size}

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

    def sealer_started(self, context: Context, **facts: Any) -> None:
        """Facts: those of `SealerStarted`."""
        self.record(self.SealerStarted, context, **facts)

    def sealer_stopped(self, context: Context, **facts: Any) -> None:
        """Facts: those of `SealerStopped`."""
        self.record(self.SealerStopped, context, **facts)

    def checkpoint_deposited(self, context: Context, **facts: Any) -> None:
        """Record a deposit once. Facts: those of `CheckpointDeposited`."""
        if facts["size"] > self.deposited.get(f"{facts['log']} {facts['kind']} {facts['place']}", 0):
            self.record(self.CheckpointDeposited, context, **facts)

    def suspect_rollback(self, context: Context, *, kind: str, grant_id: str, generation: int) -> None:
        self.record(self.RollbackSuspected, context, kind=kind, grant_id=grant_id, generation=generation)
