"""Deposited checkpoints as files for an auditor, each with what came back: cosignatures in the checkpoint, time stamps beside it."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from infrastructure.ledger import store
from infrastructure.ledger.deposits import record
from infrastructure.ledger.sealing import name_of
from infrastructure.ledger.store import Connection
from infrastructure.settings import Settings


def deposited_files(settings: Settings, connection: Connection, sizes: Iterable[int]) -> dict[str, bytes]:
    """`SIZE.checkpoint` and `SIZE.tsr` (an RFC 3161 answer, DER) of each size that was deposited, by the files' names."""
    origin = name_of(settings, connection)
    files: dict[str, bytes] = {}
    for size in sorted(sizes):
        signed, standing = store.of_size(connection, origin, size), record.of_size(connection, origin, size)
        if signed is None or not standing:
            continue
        note = signed.note + record.cosignatures(connection, origin, size)
        stamps = [base64.b64decode(each.receipt) for each in standing if each.kind == "timestamp"]
        # Stamped were the very bytes that the log signed, without what witnesses added.
        files |= {f"{size}.checkpoint": note.encode(), **({f"{size}.stamped": signed.note.encode()} if stamps and note != signed.note else {})}
        files |= {f"{size}{f'-{number}' if number else ''}.tsr": stamp for number, stamp in enumerate(stamps)}
    return files
