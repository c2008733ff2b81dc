"""A witness (c2sp.org/tlog-witness): somebody else's server that signs for a log only as long as it does nothing but grow."""

from __future__ import annotations

import base64
import re

from infrastructure.ledger.deposits.agreement import check_clock
from infrastructure.ledger.deposits.cosignatures import WitnessKey
from infrastructure.ledger.deposits.places import Deposit, Kind, PlaceAhead, PlaceFailed, Receipt
from infrastructure.ledger.deposits.posting import Answer, post, text_of
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.verifier import Checkpoint

_MOST_STEPS = 63
_ATTEMPTS = 3
_SIZE = re.compile(rb"(?:0|[1-9][0-9]{0,18})\n?")


class Witness:
    """`url` is its submission prefix, `key` what its cosignatures are checked with."""

    kind: Kind = "witness"

    def __init__(self, url: str, key: WitnessKey, seconds: float = 20.0) -> None:
        self._url, self._key, self._seconds = url.rstrip("/"), key, seconds
        self.name = key.name

    def holds(self, signer: LogSigner) -> Checkpoint | None:
        """It shows none: it answers with its size where we are wrong about it."""
        return None

    def others(self, signer: LogSigner) -> tuple[Checkpoint, ...]:
        """It shows none: a key that it doesn't know it refuses."""
        return ()

    def deposit(self, given: Deposit, last: int) -> Receipt:
        old = min(last, given.size)
        for _ in range(_ATTEMPTS):
            answer = self._add(given, old)
            if answer.status == 422 and old > 0:  # from nothing on there is no past that could be another one
                raise _another_past(old)
            if answer.status != 409:
                return self._receipt(given, answer)
            known = _size(answer)  # another size than we thought: an answer was lost, or the database was set back
            if known > given.size:
                raise PlaceAhead(f"It has signed for {known} entries, this database was signed up to {given.size}: it was set back.", known)
            if known == old == given.size:  # so the protocol said before its version 1.1
                raise _another_past(old)
            if known == old:
                raise PlaceFailed("It answered 409 with the very size that it was told.")
            old = known
        raise PlaceFailed("It answered 409 with another size each time: somebody else deposits there at the same moment.")

    def _add(self, given: Deposit, old: int) -> Answer:
        proof = given.consistency(old)
        if len(proof) > _MOST_STEPS:
            raise PlaceFailed("The consistency proof is longer than a witness takes.")
        lines = [f"old {old}", *(base64.b64encode(step).decode() for step in proof)]
        return post(f"{self._url}/add-checkpoint", "\n".join(lines).encode() + b"\n\n" + given.note.encode(), "text/plain", self._seconds)

    def _receipt(self, given: Deposit, answer: Answer) -> Receipt:
        if answer.status == 404:
            raise PlaceFailed(f"It doesn't know the log {given.signer.origin}: have it added there, with its public key.")
        if answer.status == 403:
            raise PlaceFailed(f"It knows the log {given.signer.origin} under another key: have its public key added there.")
        if answer.status != 200:
            raise PlaceFailed(f"It answered {text_of(answer)}.")
        found = self._key.line_in(answer.body.decode("utf-8", "replace"), given.note)
        if found is None:
            raise PlaceFailed("It answered without a cosignature that its configured key made over this checkpoint.")
        line, at = found
        check_clock(at)
        return Receipt(line, line.strip().removeprefix("\u2014 "))


def _another_past(size: int) -> PlaceAhead:
    return PlaceAhead(f"It has signed for {size} entries of this log which are not the first {size} of this database, and refuses.", size)


def _size(answer: Answer) -> int:
    if answer.media_type != "text/x.tlog.size" or not _SIZE.fullmatch(answer.body):
        raise PlaceFailed("It answered 409 without the size that it knows.")
    return int(answer.body)
