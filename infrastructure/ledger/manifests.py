"""The signature under a manifest: the ledger's key under a name of its own for each purpose, so that it can't be taken for a checkpoint."""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature

from infrastructure.ledger.notes import LogKey
from infrastructure.ledger.verifier import NotProven, read_vkey, renamed


def format_of(purpose: str) -> str:
    """What a manifest of this purpose calls itself."""
    return f"grantbook-{purpose}-1"


def signature_note(origin: str, root_key: bytes, manifest: bytes, purpose: str) -> str:
    """A signed note (c2sp.org/signed-note) over the manifest's SHA-256, by the key named `ORIGIN/PURPOSE`."""
    text = _text(manifest, purpose)
    return f"{text}\n{LogKey(_name(origin, purpose), root_key).signature(text)}"


def check_signature(note: str, manifest: bytes, vkey: str, purpose: str) -> None:
    """That the log of `vkey` signed this manifest; `NotProven` says what is wrong."""
    name, key_id, key = read_vkey(renamed(vkey, _name(read_vkey(vkey)[0], purpose)))
    text, blank, line = note.partition("\n\n")
    mark, _, rest = line.rstrip("\n").partition(" ")
    who, _, encoded = rest.partition(" ")
    if not blank or mark != "\u2014" or who != name:
        raise NotProven(f"The manifest is not signed by {name}.")
    try:
        raw = base64.b64decode(encoded, validate=True)
        if raw[:4] != key_id:
            raise NotProven(f"The manifest is signed by another key of {name}.")
        key.verify(raw[4:], f"{text}\n".encode())
    except (binascii.Error, InvalidSignature):
        raise NotProven(f"The signature of {name} is not one of this manifest.") from None
    if f"{text}\n" != _text(manifest, purpose):
        raise NotProven("The manifest is not the one that was signed.")


def _text(manifest: bytes, purpose: str) -> str:
    return f"{format_of(purpose)}\n{hashlib.sha256(manifest).hexdigest()}\n"


def _name(origin: str, purpose: str) -> str:
    """The key's name in the note, which no checkpoint bears."""
    return f"{origin}/{purpose}"
