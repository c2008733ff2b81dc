"""The audit log as a file, exactly as filtered: streamed a page at a time, and recorded when it ends, however it ends."""

from __future__ import annotations

import csv
import heapq
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from application.export_audit import record_export
from application.services import Origin
from infrastructure.bootstrap import App
from projections.audit_log import queries
from projections.audit_log.queries import AuditEntry
from web.pages.audit_views import Asked

FIELDS: Final = (
    *("id", "account_id", "created_at", "event_type", "actor_type", "actor_id", "actor_name", "actor_ip", "client_id", "client_name"),
    *("grant_id", "source", "service", "event_context", "position"),
)
TYPES: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


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
            if self.kind == "csv":
                yield _csv_line(FIELDS)
            with self.app.views() as conn:
                for entry in self._entries(conn):
                    self.rows, self.position = self.rows + 1, max(self.position, entry.position)
                    yield _csv_row(entry) if self.kind == "csv" else _json_line(entry)
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


def _json_line(entry: AuditEntry) -> str:
    return msgspec.json.encode(entry.as_record()).decode() + "\n"


def _csv_row(entry: AuditEntry) -> str:
    record = entry.as_record()
    return _csv_line([_cell(record[name]) for name in FIELDS])


def _csv_line(cells: Any) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def _cell(value: Any) -> str:
    """Text that a spreadsheet takes for text: an app can name itself `=1+1`."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    text = msgspec.json.encode(value).decode() if isinstance(value, dict) else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
