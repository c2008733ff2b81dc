"""Tokens of one kind in the place of another, forged JWTs, and other clients' tokens."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey

from tests.support.oauth_world import World


@pytest.fixture(scope="module")
def client_id(shared: World) -> str:
    return shared.client_id()


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, claims, signature = token.split(".")
    told, said = (json.loads(base64.urlsafe_b64decode(p + "==")) for p in (header, claims))
    return told, said, signature


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in (header, claims)), signature])


def test_each_endpoint_takes_its_own_kind_of_token_only(shared: World, client_id: str) -> None:
    code = shared.approve(client_id)["code"]
    tokens = shared.tokens(client_id)
    assertion = shared.services.access_tokens.assertion(shared.account_id, parts(tokens["access_token"])[1], shared.services.clock())
    for wrong in (code, tokens["access_token"], assertion):
        assert shared.refresh(client_id, wrong).get_json()["error"] == "invalid_grant"
    for wrong in (tokens["refresh_token"], tokens["access_token"], assertion):
        assert shared.exchange(client_id, wrong).get_json()["error"] == "invalid_grant"
    for wrong in (code, tokens["refresh_token"], assertion):
        assert shared.introspect(wrong) == {"active": False}
    assert shared.introspect(tokens["access_token"])["active"]


@pytest.mark.parametrize(
    "change", [{"alg": "none"}, {"alg": "HS256"}, {"typ": "JWT"}, {"typ": None}, {"kid": None}, {"kid": "other"}, {"crit": ["x"]}, {"kid": 5}]
)
def test_a_forged_header_is_refused(shared: World, client_id: str, change: dict[str, Any]) -> None:
    header, claims, signature = parts(shared.tokens(client_id)["access_token"])
    forged = {k: v for k, v in {**header, **change}.items() if v is not None}
    assert shared.introspect(unsigned(forged, claims, signature)) == {"active": False}
    assert shared.introspect(unsigned(forged, claims)) == {"active": False}


def test_changed_claims_are_refused(shared: World, client_id: str) -> None:
    header, claims, signature = parts(shared.tokens(client_id, scopes="catalog:read")["access_token"])
    for change in ({"scope": "jobs:run"}, {"exp": claims["exp"] + 9999}, {"sub": "someone"}, {"aud": "https://other.example"}):
        assert shared.introspect(unsigned(header, {**claims, **change}, signature)) == {"active": False}


def test_the_public_key_is_no_hmac_secret(shared: World, client_id: str) -> None:
    header, claims, _ = parts(shared.tokens(client_id)["access_token"])
    published = next(k for k in shared.services.access_tokens.jwks(shared.account_id)["keys"] if k["kid"] == header["kid"])
    secret = OctKey.import_key(json.dumps(published).encode())
    forged = jws.serialize_compact({**header, "alg": "HS256"}, json.dumps(claims).encode(), secret, algorithms=["HS256"])
    assert shared.introspect(forged) == {"active": False}


def test_a_key_that_the_token_brings_along_is_not_used(shared: World, client_id: str) -> None:
    header, claims, _ = parts(shared.tokens(client_id)["access_token"])
    own = ECKey.generate_key("P-256", private=True)
    forged = jwt.encode({**header, "jwk": own.as_dict(private=False), "jku": "https://evil.example/jwks"}, claims, own, algorithms=["ES256"])
    assert shared.introspect(forged) == {"active": False}


def test_another_spelling_of_a_token_is_not_that_token(shared: World, client_id: str) -> None:
    token = shared.tokens(client_id)["access_token"]
    head, claims, signature = token.split(".")
    for spelled in (f"{head}.{claims}.{signature}=", f"{head}=.{claims}.{signature}", f" {token}", f"{token}.", f"{token}\n"):
        assert shared.introspect(spelled) == {"active": False}, spelled


def test_another_clients_tokens_cannot_be_used_revoked_or_ended(shared: World, client_id: str) -> None:
    tokens, attacker = shared.tokens(client_id), shared.client_id(client_name="Attacker")
    latest = shared.refresh(client_id, tokens["refresh_token"]).get_json()
    latest = shared.refresh(client_id, latest["refresh_token"]).get_json()
    assert shared.refresh(attacker, latest["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert shared.refresh(attacker, tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert shared.post("/oauth/revoke", client_id=attacker, token=latest["refresh_token"]).status_code == 200
    assert shared.refresh(client_id, latest["refresh_token"]).status_code == 200


def test_a_refresh_token_of_another_epoch_is_refused(shared: World, client_id: str) -> None:
    from domain.tokens import REFRESH, TokenCodec

    real = shared.services.codec.read(shared.tokens(client_id)["refresh_token"])
    assert real is not None
    for epoch in (real.epoch - 1, real.epoch + 1):
        codec = TokenCodec(shared.app.settings.secret_keys, epoch)
        stale = codec.make(REFRESH, real.grant_id, real.generation, real.version)
        assert shared.refresh(client_id, stale).get_json()["error"] == "invalid_grant"
