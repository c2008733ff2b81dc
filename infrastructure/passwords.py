"""Password hashes: argon2id with the low-memory parameters of RFC 9106."""

from __future__ import annotations

import secrets
from base64 import b64encode

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION
from argon2.profiles import RFC_9106_LOW_MEMORY


class Argon2Passwords:
    """`application.ports.Passwords`."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._nobody = self._decoy()

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def verify(self, password: str, secret: str | None) -> bool:
        """Whether the password is right; without a secret the same work is done and the answer is no."""
        try:
            self._hasher.verify(secret or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return secret is not None

    def _decoy(self) -> str:
        """A hash of the same cost that no password has, made without the work: even the first comparison takes the usual time."""
        hasher = self._hasher
        salt, tag = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len))
        return f"$argon2id$v={ARGON2_VERSION}$m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}${salt}${tag}"
