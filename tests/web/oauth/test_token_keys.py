"""PROTOCOL.md 25, and the keys under codes and refresh tokens."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from application import decide_app
from domain.ids import ledger_stream
from domain.ledger import Ledger
from domain.tokens import TokenCodec
from tests.support.oauth_world import CLI, ISSUER, MCP, World


@pytest.fixture(scope="module")
def client_id(shared: World) -> str:
    return shared.client_id()


def error_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.get_json()["error"]


def test_p25_access_tokens_are_rfc_9068_and_verify_by_the_published_keys(shared: World, client_id: str) -> None:
    tokens = shared.tokens(client_id)
    keys = KeySet.import_key_set(shared.http.get("/.well-known/jwks.json").get_json())
    decoded = jwt.decode(tokens["access_token"], keys, algorithms=["ES256"])
    assert decoded.header["typ"] == "at+jwt"
    assert decoded.header["kid"] in {k["kid"] for k in shared.services.access_tokens.jwks(shared.account_id)["keys"]}
    claims = decoded.claims
    assert (claims["iss"], claims["aud"], claims["client_id"], claims["sub"]) == (ISSUER, MCP, client_id, shared.admin_id)
    assert claims["exp"] - claims["iat"] == 600
    assert claims["jti"] in {getattr(e, "access_token_id", None) for e in shared.events(claims["grant_id"])}


def test_a_token_of_an_older_secret_key_still_refreshes_and_one_of_an_unknown_key_does_not(world: World) -> None:
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    old = world.app.settings.secret_keys
    both = TokenCodec((b"n" * 32, *old), 1)
    world.app.services.codec.__dict__["_codec"] = both
    world.app.services.codec.single_key = False
    world.app.services.codec.key_id = both.key_id
    renewed = world.refresh(client_id, tokens["refresh_token"])
    assert renewed.status_code == 200
    token = both.read(renewed.get_json()["refresh_token"])
    assert token is not None
    assert token.key_id == both.key_id
    assert world.refresh(client_id, renewed.get_json()["refresh_token"]).status_code == 200
    world.app.services.codec.__dict__["_codec"] = TokenCodec((b"other" * 8,), 1)
    assert error_of(world.refresh(client_id, renewed.get_json()["refresh_token"])) == (400, "invalid_grant")


def test_a_token_that_names_another_key_for_its_generation_is_refused(world: World) -> None:
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    both = TokenCodec((*world.app.settings.secret_keys, b"n" * 32), 1)
    world.app.services.codec.__dict__["_codec"] = both
    world.app.services.codec.single_key = False
    real = both.read(tokens["refresh_token"])
    assert real is not None
    other_key = TokenCodec((b"n" * 32,), 1).key_id
    forged = both.make(2, real.grant_id, real.generation, real.version, other_key)
    assert error_of(world.refresh(client_id, forged)) == (400, "invalid_grant")
    ahead = both.make(2, real.grant_id, real.generation + 1, real.version + 1, other_key)
    assert error_of(world.refresh(client_id, ahead)) == (400, "invalid_grant")
    assert world.refresh(client_id, tokens["refresh_token"]).status_code == 200


def test_a_generation_that_was_never_recorded_is_refused_and_raised_as_an_alarm(world: World, caplog: pytest.LogCaptureFixture) -> None:
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    real = world.services.codec.read(tokens["refresh_token"])
    assert real is not None
    ahead = world.services.codec.make(2, real.grant_id, real.generation + 1, real.version + 1)
    for _ in range(2):
        assert error_of(world.refresh(client_id, ahead)) == (400, "invalid_grant")
    assert "rollback alarm" in caplog.text
    assert tokens["refresh_token"] not in caplog.text
    (recorded,) = alarms(world)
    assert (recorded.kind, recorded.grant_id, recorded.generation) == ("refresh_token", str(real.grant_id), real.generation + 1)
    assert any("was a backup restored" in said for said in world.app.status().warnings)
    world.later(days=1)
    world.refresh(client_id, ahead)
    assert len(alarms(world)) == 2
    assert world.refresh(client_id, tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize("kind", [1, 2])
def test_a_genuine_token_of_a_grant_that_was_never_recorded_raises_the_alarm_too(world: World, kind: int) -> None:
    client_id, lost = world.client_id(), uuid4()
    if kind == 1:
        answer = world.exchange(client_id, world.services.codec.make(1, lost, 0, 1))
    else:
        answer = world.refresh(client_id, world.services.codec.make(2, lost, 3, 4))
    assert error_of(answer) == (400, "invalid_grant")
    (recorded,) = alarms(world)
    assert (recorded.kind, recorded.grant_id) == ("code" if kind == 1 else "refresh_token", str(lost))


def alarms(world: World) -> list[Any]:
    """What the account's ledger stream says about tokens that were never recorded."""
    return [event for event in world.events(ledger_stream(world.account_id)) if isinstance(event, Ledger.RollbackSuspected)]


def test_a_worker_with_an_old_cache_refreshes_and_refuses_rightly(world: World) -> None:
    from infrastructure.bootstrap import bootstrap

    client_id = world.client_id()
    tokens = world.tokens(client_id)
    other = bootstrap(world.app.settings, clock=world.clock)
    try:
        from application.issuing import Asked, TokenRefused
        from application.refresh_tokens import refresh_tokens
        from tests.support.oauth_world import OAUTH

        def elsewhere(token: str) -> str:
            found = refresh_tokens(other.services, world.account_id, client_id=client_id, refresh_token=token, asked=Asked(), origin=OAUTH)
            assert found.refresh_token is not None
            return found.refresh_token

        token = elsewhere(tokens["refresh_token"])
        for _ in range(3):
            token = world.refresh(client_id, token).get_json()["refresh_token"]
            token = world.refresh(client_id, token).get_json()["refresh_token"]
            token = elsewhere(token)
        decide_app.block(world.services, world.account_id, client_id, actor_id=world.admin_id, origin=CLI, reason=None)
        with pytest.raises(TokenRefused) as refused:
            elsewhere(token)
        assert (refused.value.error, refused.value.status) == ("invalid_client", 401)
    finally:
        other.close()
