"""Seals secrets that must be read again (client secrets of providers) under a key derived from the root keys, which may rotate."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.tokens import derive

_LABEL = "grantbook provider secret v1"
_NONCE = 12


class KeySealedBox:
    """`application.identity_ports.SecretBox`. `secret_keys`: root keys, newest first; the newest seals, any of them opens."""

    def __init__(self, secret_keys: tuple[bytes, ...]) -> None:
        self._keys = [AESGCM(derive(key, _LABEL)) for key in secret_keys]

    def seal(self, text: str, purpose: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._keys[0].encrypt(nonce, text.encode(), purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> str | None:
        """The text, or None where none of the keys opens it for this purpose."""
        for key in self._keys:
            try:
                return key.decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose.encode()).decode()
            except InvalidTag:
                continue
        return None
