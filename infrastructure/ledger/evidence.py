"""What proves an answer to somebody who trusts neither the answer nor its server: the cited events, each with its proof, in one file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from infrastructure.ledger.bundle import proofs_of
from infrastructure.ledger.store import Connection, Signed

_READ_ME = """An answer of a Grantbook server, and the events that it stands on.

answer.json          the answer; each line names the events that it stands on by position
events/N.leaf        event N, byte for byte as the log holds it
events/N.tlog-proof  shows that the log's checkpoint holds it (c2sp.org/tlog-proof)
checkpoint           what the log signed (a signed note, c2sp.org/tlog-checkpoint)

Unpack it and check each event with the verifier, one file that needs only Python and the package `cryptography`, and with the log's public key
(`grantbook ledger checkpoint --key` prints it; get it from somebody you trust, not with this file):

    python verifier.py proof events/N.leaf events/N.tlog-proof --vkey VKEY
"""


def write_evidence(
    connection: Connection, signed: Signed, account_id: str, positions: Iterable[int], files: Mapping[str, object], out: IO[bytes] | Path
) -> list[int]:
    """Write a zip of `files` (as JSON) with the account's events at these positions.

    Returns those that no checkpoint holds yet: they are left out.
    """
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("README.txt", _READ_ME)
        for name, content in files.items():
            bundle.writestr(name, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False))
        bundle.writestr("checkpoint", signed.note)
        return add_proofs(bundle, connection, signed, account_id, positions)


def add_proofs(bundle: zipfile.ZipFile, connection: Connection, signed: Signed | None, account_id: str, positions: Iterable[int]) -> list[int]:
    """Add each event of the account and its proof. Returns the positions that it does not hold yet: they are left out."""
    wanted, size = sorted(set(positions)), 0 if signed is None else signed.size
    if signed is not None:
        for position, leaf, proof in proofs_of(connection, signed, (p for p in wanted if p <= size), account_id):
            bundle.writestr(f"events/{position}.leaf", leaf)
            bundle.writestr(f"events/{position}.tlog-proof", proof)
    return [p for p in wanted if p > size]
