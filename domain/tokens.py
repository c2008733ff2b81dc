"""Authorization codes and refresh tokens: self-proving, never stored, found without a look-up.

Layout, base64url without padding (88 characters): format 1 byte, kind 1, key id 4, epoch 4, grant id 16, generation 4, grant version 4,
HMAC-SHA256 over all before it 32. A token names the event that issued it by its version, and the key that made it.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from hmac import compare_digest
from typing import NamedTuple
from uuid import UUID

from domain.ids import from_bytes

FORMAT = 1
CODE = 1
REFRESH = 2
_BODY = struct.Struct(">BB4sI16sII")
_BODY_SIZE = _BODY.size
_pack, _unpack = _BODY.pack, _BODY.unpack
_SIZE = _BODY_SIZE + 32
_TEXT_SIZE = _SIZE * 4 // 3
_STANDARD = bytes.maketrans(b"-_+/", b"+/!!")  # the other alphabet's characters are no base64 at all, so that no token has two spellings
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Token(NamedTuple):
    """What a genuine token says. `key_id` is 8 hex digits; `version` is that of the grant event which issued it."""

    kind: int
    key_id: str
    epoch: int
    grant_id: UUID
    generation: int
    version: int


def derive(secret: bytes, label: str, size: int = 32) -> bytes:
    """HKDF-SHA256 (RFC 5869) with an empty salt: one label per use, 32 bytes at most."""
    pseudorandom = hmac.digest(b"\x00" * 32, secret, "sha256")
    return hmac.digest(pseudorandom, label.encode() + b"\x01", "sha256")[:size]


def mac_under(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA256 (RFC 2104) under one key: its two padded blocks are hashed once, not for each message."""
    block = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
    new_inner, new_outer = hashlib.sha256(block.translate(_INNER)).copy, hashlib.sha256(block.translate(_OUTER)).copy

    def mac(message: bytes) -> bytes:
        inner, outer = new_inner(), new_outer()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    return mac


class TokenCodec:
    """Makes and reads tokens under a list of root keys, newest first."""

    def __init__(self, secret_keys: tuple[bytes, ...], epoch: int) -> None:
        if not secret_keys:
            raise ValueError("at least one secret key is needed")
        self._keys = {hashlib.sha256(b"gb token key id" + k).digest()[:4]: mac_under(derive(k, "grantbook token mac v1")) for k in secret_keys}
        self._newest = next(iter(self._keys))
        self._names = {key: key.hex() for key in self._keys}
        self._by_name = {name: key for key, name in self._names.items()}
        self.key_id = self._newest.hex()
        self.single_key = len(self._keys) == 1
        self.epoch = epoch

    def make(self, kind: int, grant_id: UUID, generation: int, version: int, key_id: str | None = None) -> str:
        """The token for a generation of a grant; `KeyError` if the key id that issued it is no longer configured."""
        key = self._newest if key_id is None else self._by_name[key_id]
        body = _pack(FORMAT, kind, key, self.epoch, grant_id.bytes, generation, version)
        return b2a_base64(body + self._keys[key](body), newline=False).translate(_URL_SAFE).decode()

    def read(self, text: str) -> Token | None:
        """What the token says, or None for anything that we did not make in this epoch; never asks the database."""
        if len(text) != _TEXT_SIZE:
            return None
        try:
            raw = a2b_base64(text.encode("ascii").translate(_STANDARD), strict_mode=True)
        except ValueError:  # of which binascii's error is one
            return None
        body = raw[:_BODY_SIZE]
        version_byte, kind, key, epoch, grant, generation, version = _unpack(body)
        mac = self._keys.get(key)
        if version_byte != FORMAT or mac is None or not compare_digest(mac(body), raw[_BODY_SIZE:]):
            return None
        if epoch != self.epoch:
            return None
        return Token(kind, self._names[key], epoch, from_bytes(grant), generation, version)
