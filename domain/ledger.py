"""What happened to the record itself: exports of the audit log (sealing, deposits, holds and archives come with the evidence)."""

from __future__ import annotations

from typing import Any, ClassVar

from domain.base import Context, RecordedAnyTime, Stream, topic


@topic("ledger")
class Ledger(Stream):
    """State of an account's ledger stream."""

    TOPIC: ClassVar[str]

    def __init__(self) -> None:
        """Holds no state; without this the library would make one that wants `account_id`."""

    class Event(RecordedAnyTime):
        STREAM = "ledger"

    @topic("ledger.audit_exported")
    class AuditExported(Event):
        """`format`: csv, jsonl or ocsf; `filter` as it was asked; `rows` exported, up to `position`."""

        format: str
        filter: dict[str, str]
        rows: int
        position: int

    def audit_exported(self, context: Context, **facts: Any) -> None:
        """Facts: those of `AuditExported`."""
        self.record(self.AuditExported, context, **facts)
