"""Seals what the API keeps for a repeated call, under a root key and the caller's own Idempotency-Key: neither opens it without the other."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.tokens import derive

_LABEL = "grantbook idempotent answers v1"
_NONCE = 12


class AnswerSealer:
    """`secret_keys`: root keys, newest first."""

    def __init__(self, secret_keys: tuple[bytes, ...]) -> None:
        self._keys = [derive(key, _LABEL) for key in secret_keys]

    def seal(self, idempotency_key: str, answer: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + _cipher(self._keys[0], idempotency_key).encrypt(nonce, answer, None)

    def open(self, idempotency_key: str, sealed: bytes) -> bytes | None:
        """The answer, or None if its root key is gone."""
        for key in self._keys:
            try:
                return _cipher(key, idempotency_key).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
            except InvalidTag:
                continue
        return None


def _cipher(key: bytes, idempotency_key: str) -> AESGCM:
    return AESGCM(hmac.new(key, idempotency_key.encode(), hashlib.sha256).digest())
