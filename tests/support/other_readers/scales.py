"""Reads a log (c2sp.org/tlog-tiles) with the package tlog-scales.

usage: scales VKEY OLDER FOLDER...

A line for each folder: what is proven of it, or why nothing is. OLDER is a file with an earlier checkpoint.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import Checkpoint, ConsistencyProofInvalid, InclusionProofInvalid


def main() -> None:
    vkey, older, *folders = sys.argv[1:]
    for folder in folders:
        try:
            print(f"proven: {check(Vkey.from_string(vkey), Path(older), Path(folder))}")
        except (InclusionProofInvalid, ConsistencyProofInvalid, InvalidSignature, RuntimeError, ValueError) as error:
            print(f"not proven: {type(error).__name__} {error}")


def check(vkey: Vkey, older: Path, folder: Path) -> str:
    reader = TilesReader(LocalBackend(folder))
    signed, old = reader.get_checkpoint(), Checkpoint.from_text(older.read_text(encoding="utf-8"))
    for checkpoint in (signed, old):
        checkpoint.verify(vkey)
    for index in range(signed.size):
        reader.get_inclusion_proof(index, signed.size).check(leaf_hash(reader.get_entry(index)), signed.root_hash)
    reader.get_consistency_proof(old.size, signed.size).check(old.root_hash, signed.root_hash)
    return f"{signed.size} entries, the first {old.size} as before"


if __name__ == "__main__":
    main()
