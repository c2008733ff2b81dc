"""PROTOCOL.md 15, 16 and 21: exchanging codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from application import decide_app, end_consent, manage_members
from application.exchange_code import exchange_code
from application.issuing import Asked
from application.known_access import KnownAccess
from application.services import Services
from domain.ids import consent_stream
from infrastructure.store.store import PostgresStore
from tests.support.oauth_world import CALLBACK, CLI, VERIFIER, World


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


@pytest.fixture
def elsewhere(world: World) -> Iterator[Services]:
    """What another worker has: a store with a cache of its own on the same database."""
    store = PostgresStore(world.database.web_dsn, world.app.keyring, clock=world.clock)
    yield replace(world.services, store=store, known_access=KnownAccess())
    store.close()


ENDINGS: dict[str, Callable[[Services, World, str, str], object]] = {
    "client": lambda services, world, client, _: decide_app.remove(services, world.account_id, client, actor_id=None, origin=CLI),
    "app": lambda services, world, client, _: decide_app.block(services, world.account_id, client, actor_id=world.admin_id, origin=CLI),
    "member": lambda services, world, _, member: manage_members.deactivate(services, world.account_id, UUID(member), origin=CLI),
    "consent": lambda services, world, client, member: end_consent.withdraw(
        services, world.account_id, str(consent_stream(world.account_id, member, str(UUID(client[4:])))), actor_id=member, origin=CLI
    ),
}


@pytest.mark.parametrize("what", ENDINGS)
@pytest.mark.parametrize("known", [True, False], ids=["code known", "code unknown"])
def test_a_worker_that_has_not_heard_of_an_end_gives_no_tokens_for_a_code(world: World, elsewhere: Services, what: str, known: bool) -> None:
    client_id, member = world.client_id(), world.member("Developer")
    world.tokens(client_id, member)
    code = world.approve(client_id, member)["code"]
    if not known:
        forget_the_grant(world, code)
    ENDINGS[what](elsewhere, world, client_id, member)
    answer = world.exchange(client_id, code)
    assert error_of(answer) in {(400, "invalid_grant"), (401, "invalid_client")}
    assert "grant.code_exchanged" not in world.topics(grant_of(world, code))


def test_a_code_that_another_worker_exchanged_is_replayed_here_though_it_is_cached_as_new(world: World, elsewhere: Services) -> None:
    client_id = world.client_id()
    world.tokens(client_id)
    code = world.approve(client_id)["code"]
    exchange_code(
        elsewhere, world.account_id, client_id=client_id, code=code, code_verifier=VERIFIER, redirect_uri=CALLBACK, asked=Asked(), origin=CLI
    )
    assert error_of(world.exchange(client_id, code)) == (400, "invalid_grant")
    assert world.topics(grant_of(world, code)) == ["grant.code_issued", "grant.code_exchanged", "grant.code_replayed"]


def test_a_second_consent_that_another_worker_recorded_is_what_its_code_is_judged_on(world: World, elsewhere: Services) -> None:
    client_id = world.client_id()
    world.tokens(client_id, scopes="account:read")
    there = replace(world, app=replace(world.app, services=elsewhere))
    code = there.approve(client_id, scopes="account:read projects:query")["code"]
    assert "projects:query" in world.exchange(client_id, code).get_json()["scope"].split()


def grant_of(world: World, code: str) -> UUID:
    token = world.services.codec.read(code)
    assert token is not None
    return token.grant_id


def forget_the_grant(world: World, code: str) -> None:
    """As in a worker that was not asked for this consent."""
    world.app.store._cache._entries.pop(grant_of(world, code).int)


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
