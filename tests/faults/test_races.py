"""Clients race: twenty exchanges of one code, twenty refreshes with one token, a code sent as a refresh token and the reverse."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import httpx
import pytest

from tests.support.http_flow import App
from tests.support.inside import Code, Inside

RIVALS, ROUNDS = 20, 100
Race = Callable[[Callable[[httpx.Client], httpx.Response]], list[httpx.Response]]


@pytest.fixture(scope="module")
def race(store: Inside) -> Iterator[Race]:
    """Runs one request from twenty kept connections at the same moment."""
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=store.demo.base_url, timeout=30)) for _ in range(RIVALS)]
        pool = stack.enter_context(ThreadPoolExecutor(RIVALS))

        def run(request: Callable[[httpx.Client], httpx.Response]) -> list[httpx.Response]:
            gate = threading.Barrier(RIVALS)

            def one(client: httpx.Client) -> httpx.Response:
                gate.wait()
                return request(client)

            return list(pool.map(one, clients))

        yield run


@pytest.fixture(scope="module")
def app(store: Inside) -> App:
    app = App(store.demo.base_url)
    app.register()
    return app


@pytest.fixture(scope="module")
def member_id(store: Inside) -> str:
    return store.member(1)


def refresh(code: Code, token: str, client: httpx.Client) -> httpx.Response:
    return client.post("/oauth/token", data={"grant_type": "refresh_token", "refresh_token": token, "client_id": code.client_id})


def test_of_twenty_exchanges_of_one_code_exactly_one_gets_tokens_and_the_grant_is_dead(store: Inside, race: Race, app: App, member_id: str) -> None:
    for _ in range(ROUNDS):
        code = store.code(app.client_id, member_id)
        answers = race(partial(store.exchange, code))
        good = [a for a in answers if a.status_code == 200]
        assert len(good) == 1
        assert {a.status_code for a in answers} == {200, 400}
        assert {a.json()["error"] for a in answers if a.status_code == 400} == {"invalid_grant"}
        dead = refresh(code, good[0].json()["refresh_token"], app.http)
        assert (dead.status_code, dead.json()["error"]) == (400, "invalid_grant")


def test_twenty_refreshes_with_one_token_get_the_same_successor_and_no_refusal(store: Inside, race: Race, app: App, member_id: str) -> None:
    code = store.code(app.client_id, member_id)
    token = store.exchange(code, app.http).json()["refresh_token"]
    for _ in range(ROUNDS):
        answers = race(partial(refresh, code, token))
        assert {a.status_code for a in answers} == {200}
        successors = {a.json()["refresh_token"] for a in answers}
        assert len(successors) == 1
        assert len({a.json()["access_token"] for a in answers}) == RIVALS
        (token,) = successors


def test_a_code_is_refused_as_a_refresh_token_and_a_refresh_token_as_a_code(store: Inside, app: App, member_id: str) -> None:
    code = store.code(app.client_id, member_id)
    crossed = refresh(code, code.code, app.http)
    assert (crossed.status_code, crossed.json()["error"]) == (400, "invalid_grant")
    tokens = store.exchange(code, app.http).json()
    other = Code(code.client_id, member_id, code.consent_id, tokens["refresh_token"], code.verifier)
    reversed_ = store.exchange(other, app.http)
    assert (reversed_.status_code, reversed_.json()["error"]) == (400, "invalid_grant")
    assert refresh(code, tokens["refresh_token"], app.http).status_code == 200
