"""A time-stamping authority (RFC 3161): its token shows that the checkpoint existed at a time that is not ours."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from urllib.parse import urlsplit

from cryptography.x509 import Certificate
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, TimeStampResponse, VerificationError, VerifierBuilder, decode_timestamp_response

from infrastructure.ledger.deposits.agreement import check_clock
from infrastructure.ledger.deposits.places import Deposit, Kind, PlaceFailed, Receipt
from infrastructure.ledger.deposits.posting import post, text_of
from infrastructure.ledger.deposits.timestamp_answers import readable
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.verifier import Checkpoint

_GRANTED = 0


class TimestampAuthority:
    """`roots`: whom its certificate must come from."""

    kind: Kind = "timestamp"

    def __init__(self, url: str, roots: Sequence[Certificate], seconds: float = 20.0) -> None:
        self._url, self._roots, self._seconds = url, list(roots), seconds
        self.name = urlsplit(url).netloc.rpartition("@")[2] + urlsplit(url).path.rstrip("/")

    def holds(self, signer: LogSigner) -> Checkpoint | None:
        """It keeps nothing."""
        return None

    def others(self, signer: LogSigner) -> tuple[Checkpoint, ...]:
        """It keeps none."""
        return ()

    def deposit(self, given: Deposit, last: int) -> Receipt:
        message = given.note.encode()
        request = (
            TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256).nonce(nonce=True).cert_request(cert_request=True).build()
        )
        answer = post(self._url, request.as_bytes(), "application/timestamp-query", self._seconds)
        if answer.status != 200:
            raise PlaceFailed(f"It answered {text_of(answer)}.")
        try:
            response = decode_timestamp_response(readable(answer.body))
            if response.status != _GRANTED:
                raise PlaceFailed(f"It refused: {_why(response)}.")
            VerifierBuilder(roots=self._roots, nonce=request.nonce).build().verify_message(response, message)
            info = response.tst_info
            check_clock(info.gen_time)
            told = f"serial {info.serial_number}, {info.gen_time:%Y-%m-%dT%H:%M:%SZ}"
        except (ValueError, VerificationError) as error:
            raise PlaceFailed(f"Its answer is no time stamp that holds: {' '.join(str(error).split())[:160].rstrip('.')}.") from None
        return Receipt(base64.b64encode(answer.body).decode(), told)


def _why(response: TimeStampResponse) -> str:
    words = " ".join("".join(c if c.isprintable() else " " for c in "; ".join(response.status_string)).split())
    return words[:120].rstrip(".") or f"status {response.status}"
