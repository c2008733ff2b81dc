from __future__ import annotations

import base64
import json
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwk, jwt

from infrastructure.id_tokens import IdTokenRefused, checked_claims, identity_from

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EC = jwk.generate_key("EC", "P-256", {"kid": "one", "use": "sig"}, private=True)
OTHER = jwk.generate_key("EC", "P-256", {"kid": "two"}, private=True)
RSA = jwk.generate_key("RSA", 2048, {"kid": "rsa"}, private=True)
KEYS = [EC.as_dict(private=False), RSA.as_dict(private=False)]
CLAIMS: dict[str, Any] = {
    "iss": "https://idp.example", "sub": "s-1", "aud": "grantbook", "nonce": "n-1",
    "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 300,
}  # fmt: skip


def signed(key: Any = EC, header: dict[str, Any] | None = None, **changes: Any) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    head = {"alg": "ES256", "kid": key.kid, **(header or {})}
    return jwt.encode({name: value for name, value in head.items() if value is not None}, claims, key, algorithms=[head["alg"]])


def check(token: str, keys: Any = KEYS, again: Any = None) -> dict[str, Any]:
    return checked_claims(token, keys, again or (lambda: keys), issuer="https://idp.example", client_id="grantbook", nonce="n-1", now=NOW)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def at(**after: float) -> int:
    return int((NOW + timedelta(**after)).timestamp())


def test_a_genuine_token_is_taken() -> None:
    assert check(signed())["sub"] == "s-1"
    assert check(signed(RSA, {"alg": "RS256"}))["sub"] == "s-1"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://idp.example/"}, "another issuer"), ({"iss": None}, "another issuer"), ({"aud": "other"}, "another client"),
        ({"aud": ["grantbook", "other"]}, "another client"), ({"azp": "other"}, "another client"), ({"aud": []}, "another client"),
        ({"nonce": "n-2"}, "another sign-in"), ({"nonce": None}, "another sign-in"), ({"nonce": 1}, "another sign-in"),
        ({"sub": None}, "names nobody"), ({"sub": ""}, "names nobody"), ({"sub": "s" * 256}, "names nobody"), ({"sub": 7}, "names nobody"),
        ({"exp": None}, "no times"), ({"iat": None}, "no times"), ({"exp": "soon"}, "no times"), ({"exp": at(seconds=-60)}, "has expired"),
        ({"iat": at(seconds=61)}, "from the future"), ({"nbf": at(seconds=61)}, "from the future"), ({"iat": at(minutes=-12)}, "too old"),
        ({"exp": True}, "no times"), ({"exp": 1e300}, "no times"),
    ],
)  # fmt: skip
def test_a_claim_that_does_not_bind_it_to_us_refuses_it(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(IdTokenRefused, match=why):
        check(signed(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": at(seconds=-59)}, {"iat": at(seconds=59)}, {"nbf": at(seconds=59)}, {"aud": ["grantbook", "other"], "azp": "grantbook"},
        {"aud": ["grantbook"]},
    ],
)  # fmt: skip
def test_clocks_may_differ_by_a_minute_and_audiences_may_be_several_if_we_are_the_party(changes: dict[str, Any]) -> None:
    assert check(signed(**changes))


def test_no_token_without_a_listed_signature_is_taken() -> None:
    body = part(CLAIMS)
    for header in ({"alg": "none"}, {"alg": "HS256", "kid": "one"}, {"alg": ["ES256"]}, {}, {"alg": "ES256", "crit": ["x"], "x": 1}):
        with pytest.raises(IdTokenRefused):
            check(f"{part(header)}.{body}.")
    public = RSA.as_pem(private=False)
    confused = jwt.encode({"alg": "HS256", "kid": "rsa"}, CLAIMS, jwk.import_key(base64.b64encode(public).decode(), "oct"), algorithms=["HS256"])
    with pytest.raises(IdTokenRefused, match="algorithm"):
        check(confused)
    for garbage in ("", ".", "a.b.c", "\u00e9.b.c", "W10.W10.W10", "bnVsbA.e30."):
        with pytest.raises(IdTokenRefused):
            check(garbage)


def test_a_key_for_something_else_signs_nothing() -> None:
    claims = signed(OTHER, {"kid": "one"})
    with pytest.raises(IdTokenRefused, match="none of the provider's keys"):
        check(claims)
    with pytest.raises(IdTokenRefused, match="none of the provider's keys"):
        check(signed(), keys=[{**EC.as_dict(private=False), "alg": "ES512"}])


def test_small_rsa_keys_sign_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library, too, says that they are small
        small = jwk.generate_key("RSA", 1024, {"kid": "small"}, private=True)
        token = signed(small, {"alg": "RS256"})
    with pytest.raises(IdTokenRefused, match="none of the provider's keys"):
        check(token, keys=[small.as_dict(private=False)])


def test_an_unknown_key_id_reads_the_keys_again_once() -> None:
    asked = []

    def again() -> list[dict[str, Any]]:
        asked.append(1)
        return [*KEYS, OTHER.as_dict(private=False)]

    assert check(signed(OTHER), again=again)["sub"] == "s-1"
    assert check(signed(OTHER, {"kid": None}), again=again)["sub"] == "s-1"
    assert len(asked) == 2
    check(signed(), again=again)
    assert len(asked) == 2


def test_identities_keep_to_what_is_of_the_right_kind() -> None:
    plain = identity_from({**CLAIMS, "email": "a@b.example", "email_verified": True, "groups": ["x", 7, "y"], "auth_time": at()}, "groups")
    assert (plain.email_verified, plain.groups, plain.authenticated_at) == (True, ("x", "y"), NOW)
    odd = identity_from({**CLAIMS, "email": 7, "email_verified": 1.5, "groups": {"a": 1}, "name": ["n"], "auth_time": "now"}, "groups")
    assert (odd.email, odd.email_verified, odd.groups, odd.name, odd.authenticated_at) == (None, False, None, None, None)
    assert identity_from({**CLAIMS, "email_verified": "true"}, "").email_verified
    assert not identity_from({**CLAIMS, "email_verified": "false"}, "").email_verified
