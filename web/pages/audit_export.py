"""The audit log as a file, exactly as filtered: streamed a page at a time, and recorded when it ends, however it ends."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final

from flask import Response

from application.export_audit import record_export
from application.ports import Recorded
from application.services import Origin
from infrastructure.bootstrap import App
from infrastructure.ledger.sealing import name_of
from projections.audit_log import queries
from projections.audit_log.queries import AuditEntry
from web.audit_lines import AsOcsf, Line, lines
from web.export_bundle import Zipped, write_proved
from web.pages.audit_views import Asked

TYPES: Final = {
    "csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8", "ocsf": "application/jsonl; charset=utf-8",
    "zip": "application/zip",
}  # fmt: skip
SUFFIXES: Final = {"csv": "csv", "jsonl": "jsonl", "ocsf": "ocsf.jsonl", "zip": "zip"}
WITH_MANIFEST: Final = {f"{kind}.zip": kind for kind in ("csv", "jsonl", "ocsf")}
"""What a file with a manifest is asked for as, and what lies in it."""
MOST_PROVED: Final = 2_000
"""Entries of a zip that a page or the API makes while somebody waits."""
_MEMORY: Final = 8 << 20
_CHUNK: Final = 1 << 16
_PATIENCE_S: Final = 1.0
"""How long the end of a zip waits for the position of the export's own event, which its manifest names."""


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
    from_position: int | None = None
    to_position: int | None = None
    personal: bool = False
    rows: int = field(default=0, init=False)
    position: int = field(default=0, init=False)

    def response(self, *, with_manifest: bool) -> Response:
        """The download, made while it is read."""
        if self.kind == "zip":
            return Response(self.bundle(), content_type=TYPES["zip"])
        return Response(self.with_manifest(), content_type=TYPES["zip"]) if with_manifest else Response(self.lines(), content_type=TYPES[self.kind])

    def lines(self) -> Iterator[str]:
        whole = False
        try:
            with self.app.views() as conn:
                for line, entry in self._lines(conn, self.kind):
                    self.took(entry)
                    yield line
            whole = True
        finally:
            self._record(whole=whole)

    def with_manifest(self) -> Iterator[bytes]:
        """A zip of the export and its signed manifest, made while it is read, however long it is."""
        left = False
        try:
            with self.app.views() as conn:
                zipped = Zipped(self.app, conn, self.account_id, self.kind, self)
                yield from zipped.entries(self._lines(conn, self.kind))
                recorded, left = self._record(whole=True), True
                yield zipped.end(self.app.store.position_of(recorded, _PATIENCE_S))
        finally:
            if not left:
                self._record(whole=False)

    def took(self, entry: AuditEntry | None) -> None:
        """Count an entry that leaves."""
        if entry is not None:
            self.rows, self.position = self.rows + 1, max(self.position, entry.position)

    def _lines(self, conn: Any, kind: str) -> Iterator[Line]:
        return iter(lines(kind, self._entries(conn), AsOcsf(conn, name_of(self.app.settings, conn), self.personal)))

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
                from_position=self.from_position,
                before_position=None if self.to_position is None else self.to_position + 1,
            )
            for member in self.members
        ]
        return heapq.merge(*parts, key=lambda entry: (-entry.position, entry.ordinal))

    def bundle(self) -> Iterator[bytes]:
        """A zip of the export as JSON Lines, its signed manifest, and the proofs of its events; `Refused` where it is too long for that."""
        kind, self.kind = "jsonl", "zip"
        out: IO[bytes] = SpooledTemporaryFile(_MEMORY)  # noqa: SIM115  # closed by what reads it
        try:
            with self.app.views() as conn:
                write_proved(self.app, conn, self.account_id, kind, self._lines(conn, kind), self, out, most=MOST_PROVED)
            self._record(whole=True)  # before the first byte leaves
        except BaseException:
            out.close()
            raise
        out.seek(0)
        return _read(out)

    @property
    def filters(self) -> dict[str, str]:
        """As they were asked; people stand in events by id, never by what was typed."""
        told = {"since": self.found.since.isoformat(), "until": self.found.until.isoformat(), "event_type": self.found.event_type}
        told |= {"from_position": str(self.from_position or ""), "to_position": str(self.to_position or "")}
        told |= {"member": " ".join(member for member in self.members if member), "client": self.found.client}
        return {name: value for name, value in told.items() if value}

    def _record(self, *, whole: bool) -> Recorded:
        """Who took what, and whether that was all of it."""
        return record_export(
            self.app.services,
            self.account_id,
            format=self.kind,
            filter=self.filters,
            rows=self.rows,
            position=self.position,
            whole=whole,
            origin=self.origin,
            actor_id=self.actor_id,
        )


def _read(out: IO[bytes]) -> Iterator[bytes]:
    with out:
        while chunk := out.read(_CHUNK):
            yield chunk
