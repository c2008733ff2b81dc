"""Signing checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint): Ed25519, key name = origin."""

from __future__ import annotations

import base64
import hashlib
import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.tokens import derive
from infrastructure.ledger.verifier import ED25519, Checkpoint, NotProven, open_checkpoint

_SIZE = re.compile(r"[1-9][0-9]{0,17}")
_LABEL = "grantbook ledger checkpoint v1"


class LogKey:
    """One key of the log, derived from a root key of `GRANTBOOK_LEDGER_KEY`; never a key of tokens."""

    def __init__(self, origin: str, root_key: bytes) -> None:
        self._name = origin
        self._private = Ed25519PrivateKey.from_private_bytes(derive(root_key, _LABEL))
        self._typed = bytes([ED25519]) + self._private.public_key().public_bytes_raw()
        self._id = hashlib.sha256(origin.encode() + b"\n" + self._typed).digest()[:4]

    @property
    def vkey(self) -> str:
        """The verifier key, as an auditor gets it: `name+hex(key id)+base64(0x01 and the public key)`."""
        return f"{self._name}+{self._id.hex()}+{base64.b64encode(self._typed).decode()}"

    def signature(self, text: str) -> str:
        """The signature line of a note's text."""
        return f"\u2014 {self._name} {base64.b64encode(self._id + self._private.sign(text.encode())).decode()}\n"


class LogSigner:
    """Signs with every key of the list, so that whoever holds an older verifier key can go on reading after a rotation."""

    def __init__(self, origin: str, root_keys: tuple[bytes, ...]) -> None:
        self.origin, self._root_keys = origin, root_keys
        self._keys = [LogKey(origin, key) for key in root_keys]

    def named(self, origin: str) -> LogSigner:
        """The same keys for a log of another name."""
        return LogSigner(origin, self._root_keys)

    @property
    def vkeys(self) -> list[str]:
        """The newest first."""
        return [key.vkey for key in self._keys]

    def checkpoint(self, size: int, root: bytes) -> str:
        """The signed note over a tree."""
        text = f"{self.origin}\n{size}\n{base64.b64encode(root).decode()}\n"
        return f"{text}\n{''.join(key.signature(text) for key in self._keys)}"


def signed_by(note: str, signer: LogSigner) -> Checkpoint | None:
    """The checkpoint, if one of the log's keys signed it under the log's name."""
    for vkey in signer.vkeys:
        try:
            return open_checkpoint(note, vkey)
        except NotProven:
            continue
    return None


def signed_by_others(note: str, signer: LogSigner) -> Checkpoint | None:
    """What a note says in the log's name, with a signature of that name, that none of the log's keys made; it is not known whose it is."""
    text, blank, signatures = note.partition("\n\n")
    origin, size, root, *_ = [*text.split("\n"), "", ""]
    if not blank or origin != signer.origin or not _SIZE.fullmatch(size) or f"\u2014 {origin} " not in signatures or signed_by(note, signer):
        return None
    try:
        return Checkpoint(origin, int(size), base64.b64decode(root, validate=True), note)
    except ValueError:
        return None
