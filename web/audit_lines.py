"""Audit entries as lines of a file, the same for pages, API and command line: CSV that a spreadsheet takes for text, JSON Lines, OCSF."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from infrastructure.store.reader import leaf_hashes
from web.ocsf import ocsf

if TYPE_CHECKING:
    from projections.audit_log.queries import AuditEntry

FIELDS: Final = (
    *("id", "account_id", "created_at", "event_type", "actor_type", "actor_id", "actor_name", "actor_ip", "client_id", "client_name"),
    *("grant_id", "source", "service", "event_context", "position"),
)
_BATCH: Final = 500
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
Line = tuple[str, "AuditEntry | None"]


@dataclass(frozen=True, slots=True)
class AsOcsf:
    """What OCSF events say besides their entry: the ledger's name, where leaf hashes are read, whether names and addresses are told."""

    connection: Any
    origin: str
    personal: bool = False


def lines(kind: str, entries: Iterable[AuditEntry], given: AsOcsf) -> Iterator[Line]:
    """Each line with its entry; the header of a CSV has none. `kind`: csv, jsonl or ocsf (JSON Lines of OCSF 1.8.0)."""
    if kind == "ocsf":
        yield from _ocsf_lines(entries, given)
        return
    if kind != "csv":
        for entry in entries:
            yield msgspec.json.encode(entry.as_record()).decode() + "\n", entry
        return
    yield _csv_line(FIELDS), None
    for entry in entries:
        record = entry.as_record()
        yield _csv_line([_cell(record[name]) for name in FIELDS]), entry


def _ocsf_lines(entries: Iterable[AuditEntry], given: AsOcsf) -> Iterator[Line]:
    remaining = iter(entries)
    while batch := list(islice(remaining, _BATCH)):
        hashes = leaf_hashes(given.connection, [entry.position for entry in batch])
        for entry in batch:
            event = ocsf(entry, origin=given.origin, leaf_hash=hashes.get(entry.position), personal=given.personal)
            yield msgspec.json.encode(event).decode() + "\n", entry


def _csv_line(cells: Iterable[str]) -> str:
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
