"""Checks what a Grantbook ledger claims, offline. This one file is all that an auditor has to read: Python's standard library and `cryptography`.

    python verifier.py bundle FILE --vkey VKEY [--since OLD_CHECKPOINT]   an export, made by `grantbook ledger export`
    python verifier.py proof FILE.leaf FILE.tlog-proof --vkey VKEY        one event

With `--witness WITNESS_VKEY`, once for each, the checkpoint must bear that witness's cosignature, too. VKEY is the log's public key or a file that
holds it, got from somebody you trust and not with the export. Hashes are those of RFC 6962 2.1, checkpoints are signed notes (c2sp.org/signed-note,
c2sp.org/tlog-checkpoint), proofs c2sp.org/tlog-proof, cosignatures c2sp.org/tlog-cosignature. Exit code 0: everything holds. 1: something doesn't,
and it is named.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519, COSIGNATURE = 0x01, 0x04
PROOF_HEADER = "c2sp.org/tlog-proof@v1"
BUNDLE_FORMAT = "grantbook-ledger-bundle-1"
SUM_TOPIC, ADOPTED_TOPIC = "ledger.summed", "ledger.adopted"
EMPTY_ROOT = hashlib.sha256(b"").digest()


class NotProven(Exception):
    """What was shown does not prove what it claims; the message says where."""


# ---- the tree (RFC 6962 2.1, RFC 9162 2.1.3.2)


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


# ---- checkpoints (signed notes)


@dataclass(frozen=True)
class Checkpoint:
    """What the log signed: its name, how many entries, and their root."""

    origin: str
    size: int
    root: bytes
    note: str


def read_vkey(vkey: str, kind: int = ED25519) -> tuple[str, bytes, Ed25519PublicKey]:
    """Name, key id and key of `name+hex(key id)+base64(kind and the key)`; the kind of a log's key is 1, of a witness's 4."""
    try:
        name, key_id, encoded = vkey.strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        found = _key_id(name, raw)
        if raw[0] != kind or found.hex() != key_id:
            raise ValueError
        return name, found, Ed25519PublicKey.from_public_bytes(raw[1:])
    except (ValueError, IndexError):
        whose = "verifier key" if kind == ED25519 else "witness's key"
        raise NotProven(f"The {whose} can't be read: it is name+8 hex digits+base64, for Ed25519 (type {kind}), or a file that holds that.") from None


def _key_id(name: str, raw: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]


def renamed(vkey: str, name: str) -> str:
    """The same key as that of an earlier log of this name."""
    raw = bytes([ED25519]) + read_vkey(vkey)[2].public_bytes_raw()
    return f"{name}+{_key_id(name, raw).hex()}+{base64.b64encode(raw).decode()}"


def open_checkpoint(note: str, vkey: str) -> Checkpoint:
    """The checkpoint, if the key of `vkey` signed these very bytes."""
    name, key_id, key = read_vkey(vkey)
    text, blank, signatures = note.partition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise NotProven("The checkpoint is no signed note: a text, an empty line, signatures.")
    signed = f"{text}\n".encode()
    for line in signatures.splitlines():
        raw = _blob(line, name)
        if raw[:4] != key_id:
            continue
        try:
            key.verify(raw[4:], signed)
        except InvalidSignature:
            raise NotProven(f"The signature of {name} is not one of this checkpoint.") from None
        return _checkpoint(text, note, name)
    raise NotProven(f"{name} has not signed this checkpoint with that key.")


def _checkpoint(text: str, note: str, name: str) -> Checkpoint:
    origin, size, root, *_ = [*text.split("\n"), "", ""]
    if origin != name or not size.isdigit() or str(int(size)) != size or not root:
        raise NotProven("The checkpoint's text is not a name, a size and a root.")
    return Checkpoint(origin, int(size), base64.b64decode(root, validate=True), note)


def cosigned_at(note: str, vkey: str) -> datetime:
    """When the witness of `vkey` cosigned the checkpoint, by its own clock: it signs for a log only as long as that does nothing but grow."""
    name, key_id, key = read_vkey(vkey, COSIGNATURE)
    text, _, signatures = note.partition("\n\n")
    for line in signatures.splitlines():
        raw = _blob(line, name)
        if len(raw) != 76 or raw[:4] != key_id:
            continue
        seconds = int.from_bytes(raw[4:12], "big")
        try:
            key.verify(raw[12:], f"cosignature/v1\ntime {seconds}\n{text}\n".encode())
            return datetime.fromtimestamp(seconds, UTC)
        except (InvalidSignature, ValueError, OverflowError, OSError):
            raise NotProven(f"The cosignature of {name} is not one of this checkpoint.") from None
    raise NotProven(f"The witness {name} has not cosigned this checkpoint with that key.")


def signed_by(note: str) -> list[str]:
    """Whose names stand at the signatures, whether they hold or not."""
    names = [line.split(" ")[1] for line in note.partition("\n\n")[2].splitlines() if line.startswith("\u2014 ")]
    return [name for name in names if name.isprintable()]


def _blob(line: str, name: str) -> bytes:
    """Key id and signature, if the line is one of that name."""
    mark, _, rest = line.partition(" ")
    who, _, encoded = rest.partition(" ")
    try:
        return base64.b64decode(encoded, validate=True) if mark == "\u2014" and who == name else b""
    except ValueError:
        return b""


# ---- one event


def check_proof(leaf: bytes, proof: str, vkey: str) -> tuple[int, Checkpoint]:
    """The index of an entry in the log and the checkpoint that holds it, from `.leaf` and `.tlog-proof`."""
    head, blank, note = proof.partition("\n\n")
    header, *lines = [line for line in head.split("\n") if not line.startswith("extra ")]
    if not blank or header != PROOF_HEADER or not lines:
        raise NotProven(f"The proof does not begin with {PROOF_HEADER}.")
    word, _, number = lines[0].partition(" ")
    if word != "index" or not number.isdigit():
        raise NotProven("The proof names no index.")
    checkpoint = open_checkpoint(note, vkey)
    check_inclusion(leaf_hash(leaf), int(number), checkpoint.size, [base64.b64decode(line) for line in lines[1:]], checkpoint.root)
    return int(number), checkpoint


# ---- an export


@dataclass(frozen=True)
class Break:
    """The event at `position` says: a restored copy was taken over, and the log goes on from the checkpoint `good` of `old_log`."""

    position: int
    old_log: str
    good: Checkpoint | None
    lost: int

    def __str__(self) -> str:
        size = self.good.size if self.good else 0
        lost = f" {self.lost} entries of it are known to be lost." if self.lost else ""
        return f"Event {self.position}: the database was set back. {self.old_log} was given up; this log begins with its first {size} entries.{lost}"


@dataclass(frozen=True)
class Verdict:
    """What holds of an export: `complete_to` is the position up to which nothing of the account is left out, None if that isn't claimed."""

    checkpoint: Checkpoint
    entries: int
    complete_to: int | None
    breaks: tuple[Break, ...] = ()


def check_bundle(path: str | Path, vkey: str, since: str | None = None) -> Verdict:
    """Everything that an export claims; `since`: a checkpoint of the same log, or of one that it goes on from, that you kept from before."""
    files = _files(path)
    manifest = json.loads(files["manifest.json"])
    if manifest.get("format") != BUNDLE_FORMAT:
        raise NotProven(f"This is no {BUNDLE_FORMAT}.")
    checkpoint = open_checkpoint(files["checkpoint"].decode(), vkey)
    hashes = [files["hashes"][n : n + 32] for n in range(0, len(files["hashes"]), 32)]
    if len(hashes) != checkpoint.size or root_of(hashes) != checkpoint.root:
        raise NotProven(f"The hashes in the file don't give the root that was signed for {checkpoint.size} entries.")
    entries = list(_entries(files["entries"]))
    for index, leaf in entries:
        if index >= len(hashes) or leaf_hash(leaf) != hashes[index]:
            raise NotProven(f"Event {index + 1} is not what was recorded there.")
    if [index for index, _ in entries] != sorted({index for index, _ in entries}):
        raise NotProven("The events of the file are not in their order, or one stands there twice.")
    breaks = tuple(_breaks(entries, hashes, vkey))
    if since is not None:
        _check_since(since, vkey, breaks, hashes)
    return Verdict(checkpoint, len(entries), _complete_to(manifest, entries), breaks)


def _files(path: str | Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as bundle:
            return {name: bundle.read(name) for name in ("manifest.json", "checkpoint", "hashes", "entries")}
    except KeyError as error:
        raise NotProven(f"The file is no export, or a part of it is missing: {error.args[0]}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError):
        raise NotProven("The file is damaged, or no export: it can't be unpacked. Get it again from where it was made.") from None


def _breaks(entries: Sequence[tuple[int, bytes]], hashes: Sequence[bytes], vkey: str) -> Iterator[Break]:
    for index, leaf in entries:
        topic, state = _parts(leaf)
        said = json.loads(state) if topic == ADOPTED_TOPIC else {}
        if said.get("log") == said.get("old_log"):
            continue
        good = open_checkpoint(said["checkpoint"], renamed(vkey, said["old_log"])) if said["checkpoint"] else None
        if good is not None and root_of(hashes[: good.size]) != good.root:
            raise NotProven(f"Event {index + 1} says that this log begins with the {good.size} entries of {good.origin}, and it does not.")
        yield Break(index + 1, said["old_log"], good, int(said["lost"]))


def _check_since(since: str, vkey: str, breaks: Sequence[Break], hashes: Sequence[bytes]) -> None:
    name = since.partition("\n")[0]
    given_up = next((each for each in breaks if each.old_log == name), None)
    old = open_checkpoint(since, renamed(vkey, name) if given_up else vkey)
    reached = len(hashes) if given_up is None else given_up.good.size if given_up.good else 0
    if old.size > reached and given_up is not None:
        raise NotProven(f"You hold a checkpoint of {old.size} entries of {name}; those after {reached} are not in this log. {given_up}")
    if old.size > reached:
        raise NotProven(f"You hold a checkpoint of {old.size} entries, this log has only {reached}: it was cut or set back.")
    if root_of(hashes[: old.size]) != old.root:
        raise NotProven(f"The first {old.size} entries are not those of the checkpoint that you hold: the past was changed.")


def _entries(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(raw):
        index, length = struct.unpack_from(">QH", raw, at)
        yield index, raw[at + 10 : at + 10 + length]
        at += 10 + length


def _parts(leaf: bytes) -> tuple[str, bytes]:
    """Topic and state of an event; its other lines are `gb1`, stream and version."""
    topic, state = leaf.split(b"\n", 4)[3:]
    return topic.decode(), state


def _complete_to(manifest: dict[str, Any], entries: Sequence[tuple[int, bytes]]) -> int | None:
    """The log's own sums say how many events an account has and, chained, which: an export that left one out can't reach the same chain."""
    account = manifest.get("complete_for_account")
    if account is None:
        return None
    count, chain, told = 0, bytes(32), None
    sums = [json.loads(state) for topic, state in (_parts(leaf) for _, leaf in entries) if topic == SUM_TOPIC]
    due = {each["position"]: each for each in sums if each["account_id"] == account}
    for index, leaf in entries:
        while due and min(due) < index + 1:
            told = _check_sum(due.pop(min(due)), count, chain)
        if _parts(leaf)[0] != SUM_TOPIC:
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
        each.add_argument("--vkey", required=True, help="the log's public key, or a file that holds it, got from somebody you trust")
        each.add_argument("--witness", action="append", default=[], metavar="VKEY", help="a witness's key: its cosignature must be there, too")
    given = parser.parse_args(arguments)
    try:
        given.vkey = vkey_given(given.vkey)
        sys.stdout.write(_bundle_said(given) if given.kind == "bundle" else _proof_said(given))
    except (NotProven, OSError, KeyError, ValueError, struct.error) as error:
        sys.stderr.write(f"NOT PROVEN: {error}\n")
        return 1
    return 0


def vkey_given(text: str) -> str:
    """The key itself, or what the file of that name holds."""
    return Path(text).read_text(encoding="utf-8").strip() if "+" not in text and Path(text).is_file() else text


def _bundle_said(given: argparse.Namespace) -> str:
    since = Path(given.since).read_text(encoding="utf-8") if given.since else None
    found = check_bundle(given.file, given.vkey, since)
    complete = "" if found.complete_to is None else f" Nothing of the account is left out up to event {found.complete_to}."
    breaks = "".join(f"{each}\n" for each in found.breaks)
    told = f"{found.entries} events are as the log {found.checkpoint.origin} of {found.checkpoint.size} entries holds them.{complete}\n{breaks}"
    return told + cosigners_said(found.checkpoint, given.witness)


def _proof_said(given: argparse.Namespace) -> str:
    index, found = check_proof(Path(given.leaf).read_bytes(), Path(given.proof).read_text(encoding="utf-8"), given.vkey)
    return f"Event {index + 1} is in the log {found.origin} of {found.size} entries.\n{cosigners_said(found, given.witness)}"


def cosigners_said(found: Checkpoint, witnesses: Sequence[str]) -> str:
    """A line for each of these witnesses' keys, and one for other signatures on the checkpoint, which nobody has checked."""
    times = {read_vkey(vkey, COSIGNATURE)[0]: cosigned_at(found.note, vkey) for vkey in map(vkey_given, witnesses)}
    lines = [f"Cosigned by {name} at {at:%Y-%m-%dT%H:%M:%SZ}.\n" for name, at in times.items()]
    others = sorted(set(signed_by(found.note)) - {found.origin, *times})
    return "".join(lines) + (f"Not checked: the signature of {', '.join(others)}. Give its key with --witness.\n" if others else "")


if __name__ == "__main__":
    sys.exit(main())
