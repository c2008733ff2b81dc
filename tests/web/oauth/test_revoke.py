"""PROTOCOL.md 26: revocation (RFC 7009)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.oauth_world import World


@pytest.fixture(scope="module")
def client_id(shared: World) -> str:
    return shared.client_id()


def gone(world: World, client_id: str, tokens: dict[str, Any]) -> bool:
    return world.refresh(client_id, tokens["refresh_token"]).status_code == 400 and world.introspect(tokens["access_token"]) == {"active": False}


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "nonsense"])
def test_p26_either_token_ends_the_grant_whatever_the_hint(shared: World, client_id: str, kind: str, hint: str | None) -> None:
    tokens = shared.tokens(client_id)
    response = shared.post("/oauth/revoke", client_id=client_id, token=tokens[kind], token_type_hint=hint)
    assert (response.status_code, response.data) == (200, b"")
    assert gone(shared, client_id, tokens)
    assert shared.topics(shared.grant_id(tokens))[-1] == "grant.revoked"
    assert shared.post("/oauth/revoke", client_id=client_id, token=tokens[kind]).status_code == 200
    assert shared.topics(shared.grant_id(tokens)).count("grant.revoked") == 1


def test_p26_a_spent_refresh_token_of_the_grant_ends_it_too(shared: World, client_id: str) -> None:
    tokens = shared.tokens(client_id)
    latest = shared.refresh(client_id, tokens["refresh_token"]).get_json()
    assert shared.post("/oauth/revoke", client_id=client_id, token=tokens["refresh_token"]).status_code == 200
    assert gone(shared, client_id, latest)


def test_p26_a_foreign_token_answers_200_and_stays(shared: World, client_id: str) -> None:
    tokens, other = shared.tokens(client_id), shared.client_id(client_name="Other")
    for token in (tokens["refresh_token"], tokens["access_token"], "garbage", "x.y.z"):
        assert shared.post("/oauth/revoke", client_id=other, token=token).status_code == 200
    assert shared.refresh(client_id, tokens["refresh_token"]).status_code == 200


def test_an_unknown_client_a_missing_client_and_a_missing_token_are_refused(shared: World, client_id: str) -> None:
    for fields, error in (
        ({"client_id": "app_" + "0" * 32, "token": "x"}, (401, "invalid_client")),
        ({"token": "x"}, (401, "invalid_client")),
        ({"client_id": client_id}, (400, "invalid_request")),
        ({"client_id": client_id, "token": ["a", "b"]}, (400, "invalid_request")),
    ):
        response = shared.post("/oauth/revoke", **fields)
        assert (response.status_code, response.get_json()["error"]) == error


def test_a_code_is_no_token_to_revoke(shared: World, client_id: str) -> None:
    code = shared.approve(client_id)["code"]
    assert shared.post("/oauth/revoke", client_id=client_id, token=code).status_code == 200
    assert shared.exchange(client_id, code).status_code == 200
