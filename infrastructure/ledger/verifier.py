"""Checks what a Grantbook ledger claims, offline. This one file is all that an auditor has to read: Python's standard library and `cryptography`.

    python verifier.py bundle FILE --vkey VKEY [--since OLD_CHECKPOINT]   an export, made by `grantbook ledger export`
    python verifier.py proof FILE.leaf FILE.tlog-proof --vkey VKEY        one event

VKEY is the log's public key, got from somebody you trust and not with the file. Hashes are those of RFC 6962 2.1, checkpoints are signed notes
(c2sp.org/signed-note, c2sp.org/tlog-checkpoint), proofs c2sp.org/tlog-proof. Exit code 0: everything holds. 1: something doesn't, and it is named.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import struct
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519 = 0x01
PROOF_HEADER = "c2sp.org/tlog-proof@v1"
BUNDLE_FORMAT = "grantbook-ledger-bundle-1"
SUM_TOPIC = "ledger.summed"
EMPTY_ROOT = hashlib.sha256(b"").digest()


class NotProven(Exception):
    """What was shown does not prove what it claims; the message says where."""


# ---- the tree (RFC 6962 2.1, RFC 9162 2.1.3.2 and 2.1.4.2)


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of an entry."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes: pairs are joined level by level, one that is left alone goes up as it is."""
    level = list(hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        pairs = [node_hash(level[n], level[n + 1]) for n in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """That the leaf hash stands at `index` (from 0) of the tree of `size` leaves with this root."""
    if not 0 <= index < size:
        raise NotProven(f"There is no entry {index} in a log of {size}.")
    number, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise NotProven("The inclusion proof is too long.")
        if number & 1 or number == last:
            found = node_hash(step, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, step)
        number, last = number >> 1, last >> 1
    if last != 0 or found != root:
        raise NotProven(f"Entry {index} is not what the checkpoint of size {size} holds there.")


def check_consistency(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """That the tree of `size` begins with the whole tree of `old_size`: nothing in it was changed, taken out or moved."""
    if old_size > size:
        raise NotProven(f"The older checkpoint has {old_size} entries, this one only {size}: the log was cut or set back.")
    if old_size in {0, size}:
        if proof or (old_size == size and old_root != root):
            raise NotProven(f"Two checkpoints of size {size} have different roots: the log was rewritten. Keep both, they prove it.")
        return
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        raise NotProven("The consistency proof is empty.")
    number, last = old_size - 1, size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first, second = _climbed(number, last, path)
    if first != old_root or second != root:
        raise NotProven(f"The log of {size} entries does not begin with the one of {old_size}: its past was changed.")


def _climbed(number: int, last: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots that a consistency proof leads to."""
    first = second = path[0]
    for step in path[1:]:
        if last == 0:
            raise NotProven("The consistency proof is too long.")
        if number & 1 or number == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, step)
        number, last = number >> 1, last >> 1
    if last != 0:
        raise NotProven("The consistency proof is too short.")
    return first, second


# ---- checkpoints (signed notes)


@dataclass(frozen=True)
class Checkpoint:
    """What the log signed: its name, how many entries, and their root."""

    origin: str
    size: int
    root: bytes
    note: str


def read_vkey(vkey: str) -> tuple[str, bytes, Ed25519PublicKey]:
    """Name, key id and key of `name+hex(key id)+base64(0x01 and the key)`."""
    try:
        name, key_id, encoded = vkey.strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        found = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
        if raw[0] != ED25519 or found.hex() != key_id:
            raise ValueError
        return name, found, Ed25519PublicKey.from_public_bytes(raw[1:])
    except (ValueError, IndexError):
        raise NotProven("The verifier key can't be read: it is name+8 hex digits+base64, for Ed25519.") from None


def open_checkpoint(note: str, vkey: str) -> Checkpoint:
    """The checkpoint, if the key of `vkey` signed these very bytes."""
    name, key_id, key = read_vkey(vkey)
    text, blank, signatures = note.partition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise NotProven("The checkpoint is no signed note: a text, an empty line, signatures.")
    signed = f"{text}\n".encode()
    for line in signatures.splitlines():
        mark, _, rest = line.partition(" ")
        who, _, encoded = rest.partition(" ")
        if mark != "\u2014" or who != name:
            continue
        raw = base64.b64decode(encoded)
        if raw[:4] != key_id:
            continue
        try:
            key.verify(raw[4:], signed)
        except InvalidSignature:
            raise NotProven(f"The signature of {name} is not one of this checkpoint.") from None
        return _checkpoint(text, note, name)
    raise NotProven(f"{name} has not signed this checkpoint with that key.")


def _checkpoint(text: str, note: str, name: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 3 or lines[0] != name or not lines[1].isdigit() or str(int(lines[1])) != lines[1]:
        raise NotProven("The checkpoint's text is not a name, a size and a root.")
    return Checkpoint(lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True), note)


# ---- one event


def check_proof(leaf: bytes, proof: str, vkey: str) -> tuple[int, Checkpoint]:
    """The index of an entry in the log and the checkpoint that holds it, from `.leaf` and `.tlog-proof`."""
    head, blank, note = proof.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines[0] != PROOF_HEADER:
        raise NotProven(f"The proof does not begin with {PROOF_HEADER}.")
    rest = lines[2:] if lines[1].startswith("extra ") else lines[1:]
    word, _, number = rest[0].partition(" ")
    if word != "index" or not number.isdigit():
        raise NotProven("The proof names no index.")
    checkpoint = open_checkpoint(note, vkey)
    check_inclusion(leaf_hash(leaf), int(number), checkpoint.size, [base64.b64decode(line) for line in rest[1:]], checkpoint.root)
    return int(number), checkpoint


# ---- an export


@dataclass(frozen=True)
class Verdict:
    """What holds of an export: `complete_to` is the position up to which nothing of the account is left out, None if that isn't claimed."""

    checkpoint: Checkpoint
    entries: int
    complete_to: int | None


def check_bundle(path: str | Path, vkey: str, since: str | None = None) -> Verdict:
    """Everything that an export claims; `since`: a checkpoint of the same log that you kept from before."""
    with zipfile.ZipFile(path) as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
        if manifest.get("format") != BUNDLE_FORMAT:
            raise NotProven(f"This is no {BUNDLE_FORMAT}.")
        checkpoint = open_checkpoint(bundle.read("checkpoint").decode(), vkey)
        raw = bundle.read("hashes")
        hashes = [raw[n : n + 32] for n in range(0, len(raw), 32)]
        if len(hashes) != checkpoint.size or root_of(hashes) != checkpoint.root:
            raise NotProven(f"The hashes in the file don't give the root that was signed for {checkpoint.size} entries.")
        if since is not None:
            _check_since(open_checkpoint(since, vkey), hashes)
        entries = list(_entries(bundle.read("entries")))
    for index, leaf in entries:
        if index >= len(hashes) or leaf_hash(leaf) != hashes[index]:
            raise NotProven(f"Event {index + 1} ({_name(leaf)}) is not what was recorded there.")
    if [index for index, _ in entries] != sorted({index for index, _ in entries}):
        raise NotProven("The events of the file are not in their order, or one stands there twice.")
    return Verdict(checkpoint, len(entries), _complete_to(manifest, entries))


def _check_since(old: Checkpoint, hashes: Sequence[bytes]) -> None:
    if old.size > len(hashes):
        raise NotProven(f"You hold a checkpoint of {old.size} entries, this log has only {len(hashes)}: it was cut or set back.")
    if root_of(hashes[: old.size]) != old.root:
        raise NotProven(f"The first {old.size} entries are not those of the checkpoint that you hold: the past was changed.")


def _entries(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(raw):
        index, length = struct.unpack_from(">QH", raw, at)
        yield index, raw[at + 10 : at + 10 + length]
        at += 10 + length


def _name(leaf: bytes) -> str:
    parts = leaf.split(b"\n", 4)
    return f"{parts[3].decode(errors='replace')} of {parts[1].decode(errors='replace')}" if len(parts) == 5 else "not an event"


def _complete_to(manifest: dict[str, Any], entries: Sequence[tuple[int, bytes]]) -> int | None:
    """The log's own sums say how many events an account has and, chained, which: an export that left one out can't reach the same chain."""
    account = manifest.get("complete_for_account")
    if account is None:
        return None
    count, chain, told = 0, bytes(32), None
    sums: list[dict[str, Any]] = []
    for _, leaf in entries:
        topic, state = leaf.split(b"\n", 4)[3:]
        if topic.decode() == SUM_TOPIC and json.loads(state)["account_id"] == account:
            sums.append(json.loads(state))
    due = {each["position"]: each for each in sums}
    for index, leaf in entries:
        while due and min(due) < index + 1:
            told = _check_sum(due.pop(min(due)), count, chain)
        if leaf.split(b"\n", 4)[3].decode() != SUM_TOPIC:
            count, chain = count + 1, hashlib.sha256(chain + leaf_hash(leaf)).digest()
    for position in sorted(due):
        told = _check_sum(due[position], count, chain)
    if told is None:
        raise NotProven("The file claims to be complete, but holds no sum of the account to show it.")
    return told


def _check_sum(said: dict[str, Any], count: int, chain: bytes) -> int:
    if said["count"] != count or said["acc"] != chain.hex():
        raise NotProven(
            f"Up to event {said['position']} the account has {said['count']} events, the file has {count} of them or others: it is not complete."
        )
    return int(said["position"])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description="Checks what a Grantbook ledger claims, offline.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    bundle, proof = kinds.add_parser("bundle", help="an export"), kinds.add_parser("proof", help="one event")
    bundle.add_argument("file")
    bundle.add_argument("--since", metavar="CHECKPOINT", help="a checkpoint that you kept: its entries must all be there, unchanged")
    proof.add_argument("leaf")
    proof.add_argument("proof")
    for each in (bundle, proof):
        each.add_argument("--vkey", required=True, help="the log's public key, got from somebody you trust")
    given = parser.parse_args(arguments)
    try:
        sys.stdout.write(_bundle_said(given) if given.kind == "bundle" else _proof_said(given))
    except (NotProven, OSError, KeyError, ValueError, struct.error, zipfile.BadZipFile) as error:
        sys.stderr.write(f"NOT PROVEN: {error}\n")
        return 1
    return 0


def _bundle_said(given: argparse.Namespace) -> str:
    since = Path(given.since).read_text(encoding="utf-8") if given.since else None
    found = check_bundle(given.file, given.vkey, since)
    complete = "" if found.complete_to is None else f" Nothing of the account is left out up to event {found.complete_to}."
    return f"{found.entries} events are as the log {found.checkpoint.origin} of {found.checkpoint.size} entries holds them.{complete}\n"


def _proof_said(given: argparse.Namespace) -> str:
    index, found = check_proof(Path(given.leaf).read_bytes(), Path(given.proof).read_text(encoding="utf-8"), given.vkey)
    return f"Event {index + 1} is in the log {found.origin} of {found.size} entries.\n"


if __name__ == "__main__":
    sys.exit(main())
