"""The signature under a subject export's manifest."""

from __future__ import annotations

from infrastructure.ledger import manifests

_PURPOSE = "subject-export"
FORMAT = manifests.format_of(_PURPOSE)


def signature_note(origin: str, root_key: bytes, manifest: bytes) -> str:
    """By the key named `ORIGIN/subject-export`."""
    return manifests.signature_note(origin, root_key, manifest, _PURPOSE)


def check_signature(note: str, manifest: bytes, vkey: str) -> None:
    """That the log of `vkey` signed this manifest; `NotProven` says what is wrong."""
    manifests.check_signature(note, manifest, vkey, _PURPOSE)
