"""What leaves the store for an auditor: proof files of single events, and bundles that are checked offline (`infrastructure.ledger.verifier`)."""

from __future__ import annotations

import base64
import json
import struct
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from infrastructure.ledger import store
from infrastructure.ledger.store import Connection, Signed
from infrastructure.ledger.verifier import BUNDLE_FORMAT, PROOF_HEADER

_CHUNK = 65_536
_READ_ME = """An export of a Grantbook ledger.

manifest.json  what is in here
checkpoint     what the log signed: its name, how many entries, their root hash (a signed note, c2sp.org/tlog-checkpoint)
hashes         the hash of every entry of the log, 32 bytes each, in order: they give that root
entries        the events of this export: 8 bytes index, 2 bytes length (both big-endian), then the entry's bytes

Check it with the verifier, one file that needs only Python and the package `cryptography`, and with the log's public key
(`grantbook ledger checkpoint --key` prints it; get it from somebody you trust, not with this file):

    python verifier.py bundle THIS_FILE --vkey VKEY
"""


def proof_of(connection: Connection, signed: Signed, position: int, account_id: str | None = None) -> tuple[bytes, str]:
    """Leaf bytes and proof file (c2sp.org/tlog-proof) of the event (of the account, if one is given) at a position up to the checkpoint's size."""
    ((_, leaf, proof),) = proofs_of(connection, signed, (position,), account_id)
    return leaf, proof


def proofs_of(connection: Connection, signed: Signed, positions: Iterable[int], account_id: str | None) -> Iterator[tuple[int, bytes, str]]:
    """The same for several events, with their positions: what their paths share of the tree is read once. If an account is given,
    events of others are left out."""
    tree = store.tree(connection, signed.size)
    for position in positions:
        leaf = next((found for _, found in store.entries(connection, position - 1, position, account_id)), None)
        if leaf is None:
            continue
        path = tree.inclusion(position - 1)
        lines = [PROOF_HEADER, f"index {position - 1}", *(base64.b64encode(step).decode() for step in path)]
        yield position, leaf, "\n".join(lines) + "\n\n" + signed.note


def write_bundle(connection: Connection, signed: Signed, path: Path, account_id: str, after: int = 0, to: int | None = None) -> int:
    """Write the account's events between two positions (the first not included); how many.

    From the beginning to the checkpoint it claims to be complete, which the account's sums show.
    """
    last = signed.size if to is None else min(to, signed.size)
    whole = after == 0 and last == signed.size
    manifest = {"format": BUNDLE_FORMAT, "account": account_id, "after": after, "to": last, "complete_for_account": account_id if whole else None}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("README.txt", _READ_ME)
        bundle.writestr("manifest.json", json.dumps(manifest, sort_keys=True))
        bundle.writestr("checkpoint", signed.note)
        with bundle.open("hashes", "w", force_zip64=True) as file:
            _write_hashes(connection, signed.size, file)
        with bundle.open("entries", "w", force_zip64=True) as file:
            return _write_entries(connection, after, last, account_id, file)


def _write_hashes(connection: Connection, size: int, file: IO[bytes]) -> None:
    for first in range(0, size, _CHUNK):
        file.write(b"".join(store.hashes(connection, first, min(first + _CHUNK, size))))


def _write_entries(connection: Connection, after: int, to: int, account_id: str, file: IO[bytes]) -> int:
    written = 0
    for position, leaf in store.entries(connection, after, to, account_id):
        file.write(struct.pack(">QH", position - 1, len(leaf)) + leaf)
        written += 1
    return written
