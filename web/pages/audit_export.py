"""The audit log as a file, exactly as filtered: streamed a page at a time, and recorded when it ends, however it ends."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from application.export_audit import record_export
from application.services import Origin
from infrastructure.bootstrap import App
from projections.audit_log import queries
from projections.audit_log.queries import AuditEntry
from web.audit_lines import lines
from web.pages.audit_views import Asked

TYPES: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}


@dataclass(slots=True)
class Export:
    """One download. `members` are the ids that the person filter found, None without one."""

    app: App
    account_id: str
    actor_id: str
    origin: Origin
    kind: str
    found: Asked
    members: list[str | None]
    rows: int = field(default=0, init=False)
    position: int = field(default=0, init=False)

    def lines(self) -> Iterator[str]:
        try:
            with self.app.views() as conn:
                for line, entry in lines(self.kind, self._entries(conn)):
                    if entry is not None:
                        self.rows, self.position = self.rows + 1, max(self.position, entry.position)
                    yield line
        finally:
            self._record()

    def _entries(self, conn: Any) -> Iterator[AuditEntry]:
        """Newest first, over all the people that the filter found."""
        found = self.found
        parts = [
            queries.export(
                conn,
                self.account_id,
                since=found.since,
                until=found.until,
                event_type=found.event_type or None,
                member=member,
                client=found.client or None,
            )
            for member in self.members
        ]
        return heapq.merge(*parts, key=lambda entry: (-entry.position, entry.ordinal))

    def _record(self) -> None:
        """Who took what; people stand in events by id, never by what was typed."""
        told = {"since": self.found.since.isoformat(), "until": self.found.until.isoformat(), "event_type": self.found.event_type}
        told |= {"member": " ".join(member for member in self.members if member), "client": self.found.client}
        record_export(
            self.app.services,
            self.account_id,
            format=self.kind,
            filter={name: value for name, value in told.items() if value},
            rows=self.rows,
            position=self.position,
            origin=self.origin,
            actor_id=self.actor_id,
        )
