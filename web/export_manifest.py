"""What goes with an export: how many entries of which part of the log, the file's hash, the log as it was signed then, and a signature over it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from infrastructure.bootstrap import App
from infrastructure.clock import now
from infrastructure.ledger.manifests import check_signature, format_of, signature_note
from infrastructure.ledger.sealing import name_of
from infrastructure.ledger.store import Signed
from infrastructure.ledger.verifier import NotProven

PURPOSE = "audit-export"
_CHUNK = 1 << 20


class Counter:
    """Counts and hashes an export while it is written: the file is never held."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.rows = self.size = self.first = self.last = 0

    def add(self, line: str, position: int | None) -> bytes:
        """The line's bytes; `position` of its entry, None for a header."""
        raw = line.encode()
        self._hash.update(raw)
        self.size += len(raw)
        if position is not None:
            self.rows += 1
            self.first = min(self.first or position, position)
            self.last = max(self.last, position)
        return raw

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def manifest(
    app: App, connection: Any, counter: Counter, signed: Signed | None, *, account_id: str, kind: str, filters: dict[str, str], event: int | None
) -> str:
    """The signed manifest as JSON. `signed`: the newest checkpoint; `event`: the position of the export's own event, where it is known already."""
    origin = name_of(app.settings, connection)
    said = {
        "format": format_of(PURPOSE), "account": account_id, "kind": kind, "filter": filters, "rows": counter.rows, "bytes": counter.size,
        "sha256": counter.sha256, "first_position": counter.first, "last_position": counter.last, "export_event": event,
        "exported_at": now().isoformat(timespec="seconds"), "checkpoint": None if signed is None else signed.note, "origin": origin,
    }  # fmt: skip
    note = signature_note(origin, app.settings.ledger_key[0], canonical(said), PURPOSE)
    return json.dumps({"manifest": said, "signature": note}, indent=1, ensure_ascii=False) + "\n"


def check(file: Path, manifest_file: Path, vkey: str) -> dict[str, Any]:
    """What the manifest says, if the log of `vkey` signed it and the file is the one that it describes, whole; `NotProven` says what is wrong."""
    try:
        document = json.loads(manifest_file.read_text(encoding="utf-8"))
        said, note = dict(document["manifest"]), str(document["signature"])
    except (ValueError, KeyError, TypeError):
        raise NotProven(f"{manifest_file} is no manifest of an export.") from None
    check_signature(note, canonical(said), vkey, PURPOSE)
    found, size = hashlib.sha256(), 0
    with file.open("rb") as lines:
        while chunk := lines.read(_CHUNK):
            found.update(chunk)
            size += len(chunk)
    if size < said["bytes"]:
        raise NotProven(f"The file has {size:,} bytes of {said['bytes']:,}: it was cut off.")
    if found.hexdigest() != said["sha256"]:
        raise NotProven("The file is not the one that was exported: its hash differs.")
    return said


def canonical(said: dict[str, Any]) -> bytes:
    """RFC 8785, of which a manifest, having strings, whole numbers and nulls alone, needs no more than this."""
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
