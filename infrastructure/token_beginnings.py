"""What the access tokens of a client have in common, encoded and hashed once for all of them."""

from __future__ import annotations

import hashlib
from binascii import b2a_base64
from typing import Any

import msgspec

from domain.access import Access
from domain.grant import Grant
from infrastructure.signing_keys import Key

_MOST = 2_000
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_encode = msgspec.json.Encoder().encode


class Beginning:
    """Header and first claims of a JWS in compact form (RFC 7515 7.1): as text, and as the state of the hash that is signed."""

    __slots__ = ("_access", "_hashed", "_text")

    def __init__(self, header: bytes, claims: dict[str, Any], access: Access) -> None:
        self._access = access  # kept, so that no other object gets its id
        common = _encode(claims)[:-1] + b","
        self._text = header + base64url(common + b" " * (-len(common) % 3))  # whole groups of base64, so that more can follow
        self._hashed = hashlib.sha256(self._text)

    def signed(self, key: Key, own: dict[str, Any]) -> str:
        """The token whose claims are the common ones and its own."""
        rest = base64url(_encode(own)[1:])
        hashed = self._hashed.copy()
        hashed.update(rest)
        return b"".join((self._text, rest, b".", base64url(key.sign_digest(hashed.digest())))).decode()


class Beginnings:
    """Thread-safe. What is allowed is told apart by the object, which `application.known_access` shares among grants."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str, str, int], Beginning] = {}

    def of(self, issuer: str, key: Key, grant: Grant, access: Access) -> Beginning | None:
        """The beginning of the grant's access tokens, signed with this key, as long as just this is allowed; None if it is not known."""
        return self._known.get((issuer, key.kid, grant.client_id, grant.resource, id(access)))

    def begin(self, issuer: str, header: bytes, key: Key, grant: Grant, access: Access) -> Beginning:
        """The same, made and remembered."""
        made = Beginning(header, _common(issuer, grant, access), access)
        if len(self._known) >= _MOST:
            self._known = {}
        self._known[issuer, key.kid, grant.client_id, grant.resource, id(access)] = made
        return made


def base64url(raw: bytes) -> bytes:
    """Without padding (RFC 7515 2)."""
    return b2a_base64(raw, newline=False).translate(_URL_SAFE).rstrip(b"=")


def _common(issuer: str, grant: Grant, access: Access) -> dict[str, Any]:
    claims: dict[str, Any] = {"iss": issuer, "aud": grant.resource, "client_id": grant.client_id, "scope": access.scope}
    return {**claims, "authorization_details": access.details} if access.details else claims
