"""The key under which logins are hashed: made once for a store, kept there wrapped under the root keys, so that it outlives their rotation."""

from __future__ import annotations

import base64
import hmac
import secrets
import threading

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from application.ports import Store
from domain.tokens import derive
from infrastructure.tasks import aside

_META = "login_key"
_LABEL = "grantbook login key v1"


class LoginKeyLost(Exception):
    """None of the configured secret keys opens the store's login key."""


class LoginKeys:
    """(account id, normalised e-mail or subject) -> keyed hash. Reads the key at its first use; thread-safe."""

    def __init__(self, store: Store, secret_keys: tuple[bytes, ...]) -> None:
        self._store = store
        self._wrapping = [derive(k, _LABEL) for k in secret_keys]
        self._key: bytes | None = None
        self._lock = threading.Lock()

    def __call__(self, account_id: str, identity: str) -> bytes:
        key = self._key or aside(self._read)
        return hmac.digest(key, f"{account_id}\x00{identity}".encode(), "sha256")

    def _read(self) -> bytes:
        with self._lock:
            if self._key is None:
                tables = self._store.tables()
                kept = tables.meta(_META) or tables.keep_meta(_META, self._wrapped(secrets.token_bytes(32)))
                self._key, newest = self._unwrapped(kept)
                if not newest:
                    tables.set_meta(_META, self._wrapped(self._key))
            return self._key

    def _wrapped(self, key: bytes) -> str:
        return base64.b64encode(aes_key_wrap(self._wrapping[0], key)).decode()

    def _unwrapped(self, kept: str) -> tuple[bytes, bool]:
        for wrapping in self._wrapping:
            try:
                return aes_key_unwrap(wrapping, base64.b64decode(kept)), wrapping is self._wrapping[0]
            except InvalidUnwrap:
                continue
        raise LoginKeyLost("No key in GRANTBOOK_SECRET_KEYS opens this store: add the key that it was made with to the list.")
