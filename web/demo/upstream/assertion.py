"""The signed assertion that the gateway sends instead of a client's token: who calls, with which scopes and projects, for which body, once."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from web.demo.upstream.caller import Caller
from web.demo.upstream.keys import KeySource

TYPE = "grantbook-assertion+jwt"
MAX_SECONDS = 60
CLOCK_SKEW_SECONDS = 5
MAX_LENGTH = 16 * 1024

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]


class AssertionRefused(Exception):
    """The assertion does not hold; the message says why and repeats nothing of it."""


class Claims(msgspec.Struct, frozen=True):
    """The claims of an assertion, all of them required."""

    iss: Text
    aud: Text
    iat: int
    exp: int
    jti: Text
    sub: Text
    client_id: Text
    grant_id: Text
    scope: str
    projects: tuple[Text, ...]
    body_sha256: Text


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: str
    typ: str
    kid: Text


class SpentIds:
    """The assertion ids of the last minute, each good for one request."""

    def __init__(self) -> None:
        self._until: dict[str, int] = {}
        self._swept = 0

    def spend(self, jti: str, exp: int, now: int) -> bool:
        """True the first time an id is seen; it is kept until its assertion has expired."""
        if now >= self._swept + 10:
            self._until = {known: until for known, until in self._until.items() if until > now}
            self._swept = now
        if jti in self._until:
            return False
        self._until[jti] = exp
        return True


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks assertions for one audience. What was issued before the process began is refused: its ids could have been spent already."""

    keys: KeySource
    issuer: str
    audience: str
    clock: Callable[[], datetime]
    began: datetime
    spent: SpentIds

    async def claims(self, assertion: str) -> Claims:
        """The claims behind header, signature, issuer, audience and times; the body and the id are still to be checked."""
        if len(assertion) > MAX_LENGTH:
            raise AssertionRefused("it is too long")
        try:
            signed = jws.extract_compact(assertion.encode("ascii"))
            header = msgspec.convert(signed.headers(), _Header)
        except (JoseError, msgspec.ValidationError, ValueError, TypeError, AttributeError) as error:
            raise AssertionRefused("its header is not as agreed") from error
        if header.typ != TYPE or header.alg != "ES256":
            raise AssertionRefused("its type or algorithm is not as agreed")
        key = await self.keys.find(header.kid)
        if key is None:
            raise AssertionRefused("its key is not the issuer's")
        if not _signature_holds(signed, key):
            raise AssertionRefused("its signature does not hold")
        claims = _decode(signed.payload)
        self._judge(claims)
        return claims

    def admit(self, claims: Claims, body: bytes) -> Caller:
        """The caller, once the body is the one that was signed and the id is fresh."""
        if not hmac.compare_digest(claims.body_sha256.encode(), body_hash(body).encode()):
            raise AssertionRefused("it was issued for another body")
        if not self.spent.spend(claims.jti, claims.exp, int(self.clock().timestamp())):
            raise AssertionRefused("it was used before")
        return Caller(claims.sub, claims.client_id, claims.grant_id, frozenset(claims.scope.split()), frozenset(claims.projects))

    def _judge(self, claims: Claims) -> None:
        now = self.clock().timestamp()
        if claims.iss != self.issuer:
            raise AssertionRefused("its issuer is another")
        if claims.aud != self.audience:
            raise AssertionRefused("its audience is another")
        if not 0 < claims.exp - claims.iat <= MAX_SECONDS:
            raise AssertionRefused(f"it lives longer than {MAX_SECONDS} seconds, or not at all")
        if claims.exp <= now:
            raise AssertionRefused("it has expired")
        if claims.iat > now + CLOCK_SKEW_SECONDS:
            raise AssertionRefused("it is dated in the future")
        if claims.iat < int(self.began.timestamp()):
            raise AssertionRefused("it is older than this process")


def body_hash(body: bytes) -> str:
    """SHA-256 in base64url without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()


def _signature_holds(signed: jws.CompactSignature, key: ECKey) -> bool:
    try:
        return jws.validate_compact(signed, key, algorithms=["ES256"])
    except (JoseError, ValueError):
        return False


def _decode(payload: bytes) -> Claims:
    try:
        claims = msgspec.json.decode(payload, type=dict[str, object])
        if personal := {"email", "name"} & claims.keys():
            raise AssertionRefused(f"it carries personal data ({', '.join(sorted(personal))})")
        return msgspec.convert(claims, Claims)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AssertionRefused("its claims are not as agreed") from error
