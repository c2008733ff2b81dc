"""The signing keys of all accounts as this worker knows them: re-read every 30 seconds, wrapped under the secret keys."""

from __future__ import annotations

import hashlib
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from application.ports import NewSigningKey
from domain.tokens import derive
from infrastructure.tasks import aside

REREAD_SECONDS = 30.0
ECDSA_SHA256 = ec.ECDSA(hashes.SHA256())
_HASHED = ec.ECDSA(Prehashed(hashes.SHA256()))
_LABEL = "grantbook signing keys v1"
_UNKNOWN_REREAD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the table `signing_keys`. `private` is None where no configured secret key unwraps it."""

    kid: str
    account_id: str
    use: str
    status: str
    activate_at: datetime | None
    public_jwk: dict[str, Any]
    public: ec.EllipticCurvePublicKey
    private: ec.EllipticCurvePrivateKey | None

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of an ES256 signature (RFC 7518 3.4)."""
        return self.sign_digest(hashlib.sha256(message).digest())

    def sign_digest(self, digest: bytes) -> bytes:
        """The same for a message whose SHA-256 this is."""
        assert self.private is not None
        r, s = decode_dss_signature(self.private.sign(digest, _HASHED))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def usable(self, now: datetime) -> bool:
        """Whether it may sign: active, or published long enough ago that every worker knows it."""
        due = self.status == "published" and self.activate_at is not None and self.activate_at <= now
        return self.private is not None and (self.status == "active" or due)


class KeyRing:
    """Finds keys to sign and to verify with; a retired key does neither."""

    def __init__(self, secret_keys: tuple[bytes, ...], rows: Callable[[], list[dict[str, Any]]]) -> None:
        self._wrapping = [derive(k, _LABEL) for k in secret_keys]
        self._rows = rows
        self._keys: dict[str, Key] = {}
        self._of_account: dict[str, list[Key]] = {}
        self._settled: dict[tuple[str, str], Key | None] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def signing(self, account_id: str, use: str, now: datetime) -> Key | None:
        """The newest key that the account may sign with."""
        if time.monotonic() - self._read_at > REREAD_SECONDS:
            self._current()
        key = self._settled.get((account_id, use)) or self._newest(account_id, use, now)
        if key is None:
            self._current(_UNKNOWN_REREAD_SECONDS)
            key = self._newest(account_id, use, now)
        return key

    def find(self, kid: str, use: str, *, unknown_is_new: bool = False) -> Key | None:
        """The key of this id and use that still verifies; an unknown one may be newer than what was read."""
        key = self._current().get(kid)
        if key is None and unknown_is_new:
            key = self._current(_UNKNOWN_REREAD_SECONDS).get(kid)
        return key if key is not None and key.use == use else None

    def public(self, account_id: str) -> list[Key]:
        """The account's keys that are not retired, oldest first."""
        self._current()
        return self._of_account.get(account_id, [])

    def forget(self) -> None:
        self._read_at = float("-inf")

    def new_key(self, kid: str) -> NewSigningKey:
        """A new P-256 key under the newest secret key."""
        private = ec.generate_private_key(ec.SECP256R1())
        numbers = private.public_key().public_numbers()
        jwk = {"kty": "EC", "crv": "P-256", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y), "kid": kid}
        scalar = private.private_numbers().private_value.to_bytes(32, "big")
        return NewSigningKey("ES256", msgspec.json.encode(jwk).decode(), aes_key_wrap(self._wrapping[0], scalar))

    def _newest(self, account_id: str, use: str, now: datetime) -> Key | None:
        settled, keys = self._settled, [key for key in self._of_account.get(account_id, ()) if key.use == use]
        newest: Key | None = None
        for key in keys:
            if key.usable(now):
                newest = key
        if all(key.status == "active" for key in keys):  # which one it is doesn't change with the time
            settled[account_id, use] = newest
        return newest

    def _current(self, older_than: float = REREAD_SECONDS) -> dict[str, Key]:
        if time.monotonic() - self._read_at > older_than:
            aside(lambda: self._read_again(older_than))
        return self._keys

    def _read_again(self, older_than: float) -> None:
        with self._lock:
            if time.monotonic() - self._read_at > older_than:
                self._keys = self._read()
                self._of_account, self._settled = _by_account(self._keys.values()), {}
                self._read_at = time.monotonic()

    def _read(self) -> dict[str, Key]:
        rows = [r for r in self._rows() if r["status"] != "retired"]
        rows.sort(key=lambda r: (r["activate_at"] or r["created_at"], r["kid"]))
        return {r["kid"]: self._key(r) for r in rows}

    def _key(self, row: dict[str, Any]) -> Key:
        jwk = msgspec.json.decode(row["public_jwk"], type=dict[str, Any])
        x, y = (int.from_bytes(urlsafe_b64decode(jwk[c] + "="), "big") for c in ("x", "y"))
        return Key(
            kid=row["kid"],
            account_id=str(row["account_id"]),
            use=row["use"],
            status=row["status"],
            activate_at=row["activate_at"],
            public_jwk={**jwk, "kid": row["kid"], "alg": row["alg"], "use": "sig"},
            public=ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key(),
            private=self._unwrap(bytes(row["private_wrapped"])),
        )

    def _unwrap(self, wrapped: bytes) -> ec.EllipticCurvePrivateKey | None:
        for wrapping in self._wrapping:
            try:
                scalar = aes_key_unwrap(wrapping, wrapped)
            except InvalidUnwrap:
                continue
            return ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())
        return None


def _by_account(keys: Iterable[Key]) -> dict[str, list[Key]]:
    found: dict[str, list[Key]] = {}
    for key in keys:
        found.setdefault(key.account_id, []).append(key)
    return found


def rewrapped(secret_keys: tuple[bytes, ...], wrapped: bytes) -> bytes | None:
    """The same private key wrapped under the newest secret key (the same bytes if it is already); None where no key opens it."""
    wrapping = [derive(k, _LABEL) for k in secret_keys]
    for key in wrapping:
        try:
            return aes_key_wrap(wrapping[0], aes_key_unwrap(key, wrapped))
        except InvalidUnwrap:
            continue
    return None


def _coordinate(number: int) -> str:
    return urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
