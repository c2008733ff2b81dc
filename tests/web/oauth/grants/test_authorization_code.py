"""PROTOCOL.md 15, 16 and 21: exchanging codes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.oauth_world import CALLBACK, VERIFIER, World


@pytest.fixture(scope="module")
def client_id(shared: World) -> str:
    return shared.client_id()


def error_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.get_json()["error"]


def test_p15_a_code_is_good_once_and_its_replay_ends_what_it_gave(shared: World, client_id: str) -> None:
    code = shared.approve(client_id)["code"]
    tokens = shared.exchange(client_id, code).get_json()
    assert error_of(shared.exchange(client_id, code)) == (400, "invalid_grant")
    assert error_of(shared.refresh(client_id, tokens["refresh_token"])) == (400, "invalid_grant")
    assert shared.introspect(tokens["access_token"]) == {"active": False}
    assert shared.topics(shared.grant_id(tokens))[-1] == "grant.code_replayed"


def test_p15_a_replay_with_a_wrong_verifier_ends_nothing(shared: World, client_id: str) -> None:
    code = shared.approve(client_id)["code"]
    tokens = shared.exchange(client_id, code).get_json()
    assert error_of(shared.exchange(client_id, code, code_verifier="x" * 43)) == (400, "invalid_grant")
    assert shared.refresh(client_id, tokens["refresh_token"]).status_code == 200


def test_p15_a_code_lives_sixty_seconds(world: World) -> None:
    client_id = world.client_id()
    code = world.approve(client_id)["code"]
    world.later(seconds=61)
    assert error_of(world.exchange(client_id, code)) == (400, "invalid_grant")


def test_of_twenty_parallel_exchanges_one_gets_tokens_and_the_grant_dies(shared: World, client_id: str) -> None:
    code = shared.approve(client_id)["code"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shared.exchange(client_id, code), range(20)))
    good = [a for a in answers if a.status_code == 200]
    assert len(good) == 1
    assert {error_of(a) for a in answers if a.status_code != 200} == {(400, "invalid_grant")}
    assert error_of(shared.refresh(client_id, good[0].get_json()["refresh_token"])) == (400, "invalid_grant")


def test_p16_a_redirect_uri_is_enforced_when_sent_and_may_be_left_out(shared: World, client_id: str) -> None:
    code = shared.approve(client_id)["code"]
    assert error_of(shared.exchange(client_id, code, redirect_uri="https://app.example/other")) == (400, "invalid_grant")
    assert shared.exchange(client_id, code, redirect_uri=None).status_code == 200


@pytest.mark.parametrize("missing", ["code", "code_verifier", "grant_type"])
def test_a_missing_parameter_is_an_invalid_request(shared: World, client_id: str, missing: str) -> None:
    assert error_of(shared.exchange(client_id, "code", **{missing: None})) == (400, "invalid_request")


def test_a_malformed_verifier_is_an_invalid_request(shared: World, client_id: str) -> None:
    assert error_of(shared.exchange(client_id, shared.approve(client_id)["code"], code_verifier="short")) == (400, "invalid_request")


def test_the_callback_of_the_request_is_the_one_that_answers(shared: World, client_id: str) -> None:
    fields: dict[str, Any] = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": shared.approve(client_id)["code"],
        "code_verifier": VERIFIER,
    }
    assert shared.post("/oauth/token", redirect_uri=CALLBACK, **fields).status_code == 200
