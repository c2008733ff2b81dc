"""RFC 9068 access tokens and the gateway's assertions: ES256 under the account's keys, which every worker re-reads."""

from __future__ import annotations

import threading
from base64 import b64decode
from collections.abc import Callable
from copy import copy
from datetime import datetime
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from application.ports import Busy, NewSigningKey
from domain.access import Access, Standing
from domain.ids import as_text
from infrastructure.signing_keys import ECDSA_SHA256, Key, KeyRing
from infrastructure.token_beginnings import Beginnings, base64url

TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type (RFC 9068 2.1)
ASSERTION_TYPE = "grantbook-assertion+jwt"
_PROVEN = 20_000
_LONGEST = 8192
_ES256_BYTES = 64
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class JwtAccessTokens:
    """`application.ports.AccessTokens`. `rows` reads the table `signing_keys` of all accounts.

    Of one issuer; where each account is one, each has its own by `issued_by`, and all share what was read.
    """

    def __init__(self, issuer: str, secret_keys: tuple[bytes, ...], rows: Callable[[], list[dict[str, Any]]]) -> None:
        self.issuer = issuer
        self.account_id: str | None = None
        self._ring = KeyRing(secret_keys, rows)
        self._headers: dict[tuple[str, str], bytes] = {}
        self._beginnings = Beginnings()
        self._proven: dict[str, tuple[str, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def issued_by(self, issuer: str, account_id: str) -> JwtAccessTokens:
        """The tokens of one account that is an issuer by itself: those of other accounts are none of its own, whoever signed them."""
        found = copy(self)
        found.issuer, found.account_id = issuer, account_id
        return found

    def issue(self, standing: Standing, access: Access, *, token_id: str, now: datetime, ttl: int) -> str:
        """Sign an access token for what is effective now; `Busy` if the account has no key."""
        grant, issued_at = standing.grant, int(now.timestamp())
        key = self._ring.signing(grant.account_id, "token", now) or self._key(grant.account_id, "token", now)
        beginning = self._beginnings.of(self.issuer, key, grant, access)
        if beginning is None:
            beginning = self._beginnings.begin(self.issuer, self._header(key, TOKEN_TYPE), key, grant, access)
        own = {"sub": grant.member_id, "grant_id": as_text(grant.id), "jti": token_id, "iat": issued_at, "exp": issued_at + ttl}
        return beginning.signed(key, own)

    def assertion(self, account_id: str, claims: dict[str, Any], now: datetime) -> str:
        """Sign what the gateway vouches for to an upstream, with the key and the type of assertions."""
        return self._signed(self._key(account_id, "assertion", now), ASSERTION_TYPE, claims)

    def read(self, text: str, now: datetime) -> dict[str, Any] | None:
        """The claims of a genuine, unexpired access token of ours; None for anything else."""
        proven = self._proven.get(text)
        if proven is None:
            proven = self._prove(text)
        elif self._ring.find(proven[0], "token") is None or proven[1]["iss"] != self.issuer:
            return None
        if proven is None or proven[1]["exp"] <= now.timestamp():
            return None
        return proven[1]

    def jwks(self, account_id: str) -> dict[str, Any]:
        """The account's public keys (RFC 7517): those in use, those about to be, those whose last token still lives."""
        return {"keys": [key.public_jwk for key in self._ring.public(account_id)]}

    def new_key(self, kid: str) -> NewSigningKey:
        """A new P-256 key; it is in use once it stands in the table `signing_keys` under this id."""
        return self._ring.new_key(kid)

    def forget(self) -> None:
        """Read the keys again before the next use (after a rotation in this process)."""
        self._ring.forget()

    def _key(self, account_id: str, use: str, now: datetime) -> Key:
        key = self._ring.signing(account_id, use, now)
        if key is None:
            raise Busy("This account has no signing key that can be used yet.", retry_after=5)
        return key

    def _signed(self, key: Key, typ: str, claims: dict[str, Any]) -> str:
        message = self._header(key, typ) + base64url(_encode(claims))
        return (message + b"." + base64url(key.sign(message))).decode()

    def _header(self, key: Key, typ: str) -> bytes:
        header = self._headers.get((key.kid, typ))
        if header is None:
            header = self._headers[key.kid, typ] = base64url(_encode({"alg": "ES256", "typ": typ, "kid": key.kid})) + b"."
        return header

    def _prove(self, text: str) -> tuple[str, dict[str, Any]] | None:
        """Key id and claims, if header, signature and issuer are ours (RFC 9068 4); remembered, since they can't change."""
        parts = text.split(".")
        if len(parts) != 3 or len(text) > _LONGEST or not text.isascii():
            return None
        try:
            header, claims, signature = _decode(_unbase64url(parts[0])), _decode(_unbase64url(parts[1])), _unbase64url(parts[2])
        except (ValueError, msgspec.DecodeError):
            return None
        kid = header.get("kid")
        if header.get("alg") != "ES256" or header.get("typ") != TOKEN_TYPE or not isinstance(kid, str) or "crit" in header:
            return None
        key = self._ring.find(kid, "token", unknown_is_new=True)
        if key is None or self.account_id not in (None, key.account_id) or not _signature_holds(key, f"{parts[0]}.{parts[1]}".encode(), signature):
            return None
        if claims.get("iss") != self.issuer or type(claims.get("exp")) is not int:
            return None
        self._remember(text, (kid, claims))
        return kid, claims

    def _remember(self, text: str, proven: tuple[str, dict[str, Any]]) -> None:
        with self._lock:
            while len(self._proven) >= _PROVEN:
                del self._proven[next(iter(self._proven))]
            self._proven[text] = proven


def _signature_holds(key: Key, message: bytes, signature: bytes) -> bool:
    if len(signature) != _ES256_BYTES:
        return False
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.public.verify(der, message, ECDSA_SHA256)
    except InvalidSignature:
        return False
    return True


def _unbase64url(text: str) -> bytes:
    """Strictly: one spelling for each value, so that no second text stands for the same token."""
    raw = b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    if base64url(raw).decode() != text:
        raise ValueError("not the one spelling of these bytes")
    return raw
