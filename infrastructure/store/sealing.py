"""Sealing of personal values (EVIDENCE.md 3): HKDF per event, AES-256-GCM, key commitment, AES-KW for data keys. Bytes are fixed for ever."""

from __future__ import annotations

import hashlib
import hmac
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from domain.base import Sealed
from domain.tokens import derive, mac_under
from infrastructure.randomness import random_bytes

ACCOUNT_SUBJECT = "account:"
_NO_SALT = bytes(32)
_ERASED = ""


class EventKey:
    """The key of one event and subject: it opens nothing else, so it may be handed to an auditor."""

    __slots__ = ("_aad", "_cipher", "_commitment", "_kid", "_subject", "key")

    def __init__(self, key: bytes, event_id: str, subject: str, kid: str) -> None:
        self.key = key
        self._cipher = AESGCM(key)
        self._aad = f"gb1|{event_id}|{subject}|{kid}".encode()
        self._subject, self._kid = subject, kid
        self._commitment = hashlib.sha256(b"gbkc" + key).digest()

    def blob(self, text: str) -> dict[str, str | bytes]:
        """The text sealed: the members of a `Sealed`, whose bytes become base64 as they are written as JSON."""
        nonce = random_bytes(12)
        sealed = self._cipher.encrypt(nonce, text.encode(), self._aad)
        return {"sub": self._subject, "kid": self._kid, "n": nonce, "ct": sealed, "kc": self._commitment}

    def seal(self, text: str) -> Sealed:
        return Sealed(**{name: value if isinstance(value, str) else _base64(value) for name, value in self.blob(text).items()})

    def open(self, sealed: Sealed) -> str | None:
        """The text, or None if the blob was not made by this key for this event."""
        if not hmac.compare_digest(sealed.kc, _base64(self._commitment)):
            return None
        try:
            return self._cipher.decrypt(a2b_base64(sealed.n), a2b_base64(sealed.ct), self._aad).decode()
        except (InvalidTag, Base64Error, ValueError):
            return None


class DataKey:
    """A subject's key of one period; held as the pseudorandom key that HKDF-SHA256 (no salt) extracts from it."""

    __slots__ = ("_expand", "kid", "subject")

    def __init__(self, kid: str, subject: str, key: bytes) -> None:
        self.kid, self.subject = kid, subject
        self._expand = mac_under(hmac.digest(_NO_SALT, key, "sha256"))

    def for_event(self, event_id: str) -> EventKey:
        """`event_id` is `originator_id:version`."""
        return EventKey(self._expand(b"gb1|" + event_id.encode() + b"\x01"), event_id, self.subject, self.kid)


class Wrapping:
    """The key wrapping keys, newest first: the first wraps, all unwrap."""

    def __init__(self, wrapping_keys: tuple[bytes, ...]) -> None:
        if not wrapping_keys:
            raise ValueError("at least one wrapping key is needed")
        self._keys = {kek_id_of(k): derive(k, "grantbook data key wrapping v1") for k in wrapping_keys}
        self.kek_id = next(iter(self._keys))

    def wrap(self, key: bytes) -> bytes:
        """40 bytes (RFC 3394), under the newest key."""
        return aes_key_wrap(self._keys[self.kek_id], key)

    def unwrap(self, wrapped: bytes, kek_id: str) -> bytes | None:
        """The data key, or None where its wrapping key is gone (destroyed on purpose, or not configured)."""
        kek = self._keys.get(kek_id)
        if kek is None:
            return None
        try:
            return aes_key_unwrap(kek, wrapped)
        except InvalidUnwrap:
            return None


def kek_id_of(wrapping_key: bytes) -> str:
    """How a wrapping key is named beside what it wraps: it tells keys apart, and nothing about the key."""
    return hashlib.sha256(b"gb wrapping key id" + wrapping_key).hexdigest()[:8]


def period_of(subject: str, at: datetime) -> str:
    """The quarter for a member (`2026Q4`), the day for people without a member (`2026-11-24`)."""
    if subject.startswith(ACCOUNT_SUBJECT):
        return at.date().isoformat()
    return f"{at.year}Q{(at.month + 2) // 3}"


def _base64(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode()


def erased(subject: str) -> Sealed:
    """What is stored instead of a value whose subject has been erased: nothing of it."""
    return Sealed(subject, _ERASED, _ERASED, _ERASED, _ERASED)
