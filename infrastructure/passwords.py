"""Password hashes: argon2id with the low-memory parameters of RFC 9106."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY


class Argon2Passwords:
    """`application.ports.Passwords`."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._nobody: str | None = None

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def verify(self, password: str, secret: str | None) -> bool:
        """Whether the password is right; without a secret the same work is done and the answer is no."""
        try:
            self._hasher.verify(secret or self._decoy(), password)
        except (VerificationError, InvalidHashError):
            return False
        return secret is not None

    def _decoy(self) -> str:
        if self._nobody is None:
            self._nobody = self._hasher.hash("nobody has this password")
        return self._nobody
