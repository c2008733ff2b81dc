"""ID tokens (OpenID Connect Core 3.1.3.7): signature by a listed algorithm and a known key, then every claim that binds it to us."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from application.identity_ports import Identity

SKEW = timedelta(seconds=60)
OLDEST = timedelta(minutes=10)
ALGORITHMS = {
    "RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
    "ES256": "EC", "ES384": "EC", "ES512": "EC", "EdDSA": "OKP", "Ed25519": "OKP",
}  # fmt: skip
"""What may sign, and with which kind of key: never `none`, never a secret that we share with the provider."""
_SMALLEST_RSA = 2048
_LONGEST = 320
_MOST_GROUPS = 1000

Keys = Sequence[dict[str, Any]]


class IdTokenRefused(Exception):
    """The token is not for us, not now, or not from the provider. The message may be shown."""


def checked_claims(
    token: str, keys: Keys, keys_again: Callable[[], Keys], *, issuer: str, client_id: str, nonce: str, now: datetime
) -> dict[str, Any]:
    """The claims of a genuine ID token for this client and this sign-in. A key id that is not known makes us read the keys again, once."""
    header = _header(token)
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise IdTokenRefused("its algorithm is not one that we take.")
    found = _candidates(keys, algorithm, kid) or _candidates(keys_again(), algorithm, kid)
    claims = _verified(token, found, algorithm)
    if claims is None and kid is None:  # without key ids only the signature tells that the keys have changed
        claims = _verified(token, _candidates(keys_again(), algorithm, kid), algorithm)
    if claims is None:
        raise IdTokenRefused("none of the provider's keys has signed it.")
    _check(claims, issuer, client_id, nonce)
    _check_times(claims, now)
    return claims


def identity_from(claims: dict[str, Any], groups_claim: str) -> Identity:
    """Who has signed in, from checked claims."""
    email, name = _text(claims.get("email")), _text(claims.get("name"))
    auth_time = _moment(claims.get("auth_time"))
    return Identity(
        issuer=str(claims["iss"]),
        subject=str(claims["sub"]),
        email=email,
        email_verified=claims.get("email_verified") in (True, "true"),
        name=name,
        groups=_groups(claims.get(groups_claim)) if groups_claim else None,
        authenticated_at=auth_time,
    )


def _header(token: str) -> dict[str, Any]:
    part = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        header = None
    if not isinstance(header, dict) or "crit" in header:
        raise IdTokenRefused("it can't be read.")
    return header


def _candidates(keys: Keys, algorithm: str, kid: Any) -> list[dict[str, Any]]:
    fitting = [key for key in keys if key.get("kty") == ALGORITHMS[algorithm] and key.get("alg", algorithm) == algorithm]
    return fitting if kid is None else [key for key in fitting if key.get("kid") == kid]


def _verified(token: str, keys: Keys, algorithm: str) -> dict[str, Any] | None:
    for key in keys:
        if _too_small(key):
            continue
        try:
            return dict(jwt.decode(token, jwk.import_key(key), algorithms=[algorithm]).claims)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return None


def _too_small(key: dict[str, Any]) -> bool:
    """An RSA modulus of less than 2,048 bits (RFC 7518 3.3), or none that can be read."""
    if key.get("kty") != "RSA":
        return False
    modulus = str(key.get("n") or "")
    try:
        return int.from_bytes(base64.urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))).bit_length() < _SMALLEST_RSA
    except ValueError:
        return True


def _check(claims: dict[str, Any], issuer: str, client_id: str, nonce: str) -> None:
    if claims.get("iss") != issuer:
        raise IdTokenRefused("another issuer made it.")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    azp = claims.get("azp")
    if client_id not in audiences or (azp is not None and azp != client_id) or (len(audiences) > 1 and azp is None):
        raise IdTokenRefused("it was made for another client.")
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise IdTokenRefused("it belongs to another sign-in (nonce).")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise IdTokenRefused("it names nobody (sub).")


def _check_times(claims: dict[str, Any], now: datetime) -> None:
    expires, issued, begins = (_moment(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if expires is None or issued is None:
        raise IdTokenRefused("it has no times (exp, iat).")
    if now >= expires + SKEW:
        raise IdTokenRefused("it has expired.")
    if issued > now + SKEW or (begins is not None and begins > now + SKEW):
        raise IdTokenRefused("it is from the future; compare the clocks.")
    if issued < now - OLDEST - SKEW:
        raise IdTokenRefused("it is too old.")


def _moment(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST else None


def _groups(value: Any) -> tuple[str, ...] | None:
    """A list of names, or one name; None where the claim is missing or of another kind, which changes nobody's role."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        return None
    return tuple(group for group in value[:_MOST_GROUPS] if isinstance(group, str))
