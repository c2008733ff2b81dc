"""Cosignatures of witnesses (c2sp.org/tlog-cosignature, cosignature/v1: Ed25519 over a time and the checkpoint)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_COSIGNATURE = 0x04
_LENGTH = 4 + 8 + 64
_NAME = re.compile(r"[^\s+]+")


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's public key, read from its vkey (`name+hex(key id)+base64(0x04 and the key)`)."""

    name: str
    key_id: bytes
    public: Ed25519PublicKey

    def line_in(self, answer: str, note: str) -> tuple[str, datetime] | None:
        """The signature line of this witness over the note, and when it signed (UTC); None where there is none that holds."""
        text = note.partition("\n\n")[0] + "\n"
        for line in answer.split("\n"):
            mark, _, rest = line.partition(" ")
            name, _, encoded = rest.partition(" ")
            if mark != "\u2014" or name != self.name:
                continue
            signed_at = self._checked(encoded, text)
            if signed_at is not None:
                return f"{line}\n", signed_at
        return None

    def _checked(self, encoded: str, text: str) -> datetime | None:
        try:
            blob = base64.b64decode(encoded, validate=True)
            if len(blob) != _LENGTH or blob[:4] != self.key_id:
                return None
            seconds = int.from_bytes(blob[4:12], "big")
            self.public.verify(blob[12:], f"cosignature/v1\ntime {seconds}\n{text}".encode())
            return datetime.fromtimestamp(seconds, UTC)
        except (binascii.Error, ValueError, OverflowError, OSError, InvalidSignature):
            return None


def read_witness_key(vkey: str) -> WitnessKey:
    """`ValueError` says what is wrong with it."""
    try:
        name, key_id, encoded = vkey.split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        found = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
        if not _NAME.fullmatch(name) or raw[0] != _COSIGNATURE or found.hex() != key_id:
            raise ValueError
        return WitnessKey(name, found, Ed25519PublicKey.from_public_bytes(raw[1:]))
    except (ValueError, IndexError):
        raise ValueError("holds a witness key that can't be read: it is name+8 hex digits+base64, for Ed25519 cosignatures (type 0x04)") from None
