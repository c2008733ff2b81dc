"""Cosignatures of witnesses (c2sp.org/tlog-cosignature, cosignature/v1), as the auditor's verifier reads them."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime

from infrastructure.ledger.verifier import COSIGNATURE, NotProven, cosigned_at, read_vkey

_NAME = re.compile(r"[^\s+]+")


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's name and public key, which the vkey holds (`name+hex(key id)+base64(0x04 and the key)`)."""

    name: str
    vkey: str

    def line_in(self, answer: str, note: str) -> tuple[str, datetime] | None:
        """The signature line of this witness over the note, and when it signed (UTC); None where there is none that holds.

        Made anew from what was checked: nothing else of the answer is kept."""
        text = note.partition("\n\n")[0]
        for line in map(self._made_anew, answer.split("\n")):
            try:
                return line, cosigned_at(f"{text}\n\n{line}", self.vkey)
            except NotProven:
                continue
        return None

    def _made_anew(self, line: str) -> str:
        """Name, key id, time and signature of a line, and nothing more; empty where it is not one of this witness."""
        beginning = f"\u2014 {self.name} "
        if not line.startswith(beginning):
            return ""
        try:
            blob = base64.b64decode(line.removeprefix(beginning), validate=True)
        except ValueError:
            return ""
        return f"{beginning}{base64.b64encode(blob).decode()}\n"


def read_witness_key(vkey: str) -> WitnessKey:
    """`ValueError` says what is wrong with it."""
    try:
        name = read_vkey(vkey, COSIGNATURE)[0]
    except NotProven:
        name = ""
    if not _NAME.fullmatch(name):
        raise ValueError("holds a witness key that can't be read: it is name+8 hex digits+base64, for Ed25519 cosignatures (type 0x04)")
    return WitnessKey(name, vkey.strip())
