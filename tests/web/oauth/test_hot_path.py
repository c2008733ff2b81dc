"""How many statements a request costs, and what happens when the store is in the way."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from application.ports import Conflict
from infrastructure.store.connection import Kept
from infrastructure.store.pipeline import Pipeline
from tests.support.oauth_world import World


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the prepared statements that were run."""
    seen: list[str] = []
    run = Kept.run

    def counted(self: Kept, statement: Any, parameters: Any) -> Any:
        seen.append(statement.name.decode())
        return run(self, statement, parameters)

    ask = Pipeline.ask

    def counted_too(self: Pipeline, statement: Any, *given: Any, **more: Any) -> None:
        seen.append(statement.name.decode())
        ask(self, statement, *given, **more)

    monkeypatch.setattr(Kept, "run", counted)
    monkeypatch.setattr(Pipeline, "ask", counted_too)
    return seen


def test_a_refresh_is_one_statement(shared: World, statements: list[str]) -> None:
    client_id = shared.client_id()
    token = shared.tokens(client_id)["refresh_token"]
    for _ in range(3):
        statements.clear()
        token = shared.refresh(client_id, token).get_json()["refresh_token"]
        assert len(statements) == 1, statements


def test_an_introspection_and_a_grace_replay_are_one_statement(shared: World, statements: list[str]) -> None:
    client_id = shared.client_id()
    tokens = shared.tokens(client_id)
    shared.introspect(tokens["access_token"])
    statements.clear()
    assert shared.introspect(tokens["access_token"])["active"]
    assert len(statements) == 1, statements
    for _ in range(2):
        shared.refresh(client_id, tokens["refresh_token"])
    statements.clear()
    assert shared.refresh(client_id, tokens["refresh_token"]).status_code == 200
    assert len(statements) == 1, statements


def test_an_exchange_is_one_statement_and_two_where_another_worker_gave_the_code(shared: World, statements: list[str]) -> None:
    client_id = shared.client_id()
    for cold in (False, True):
        code = shared.approve(client_id)["code"]
        token = shared.services.codec.read(code)
        assert token is not None
        if cold:
            shared.app.store._cache._entries.pop(token.grant_id.int)
        statements.clear()
        assert shared.exchange(client_id, code).status_code == 200
        assert statements == [*(["snapshot_and_tail"] if cold else []), "shared_1"]


def test_garbage_is_refused_without_a_query(shared: World, statements: list[str]) -> None:
    client_id = shared.client_id()
    shared.tokens(client_id)
    statements.clear()
    made = shared.services.codec.make(1, shared.services.new_id(), 0, 1)
    for garbage in ("x", "A" * 88, made[:-1] + ("y" if made.endswith("x") else "x")):
        assert shared.refresh(client_id, garbage).get_json()["error"] == "invalid_grant"
        assert shared.exchange(client_id, garbage).get_json()["error"] == "invalid_grant"
        assert shared.refresh("nobody", garbage).get_json()["error"] == "invalid_client"
        assert shared.introspect(garbage) == {"active": False}
    assert not [s for s in statements if "credential" not in s], statements


def test_too_many_lost_tries_are_503_and_never_invalid_grant(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client_id = world.client_id()
    tokens, code = world.tokens(client_id), world.approve(client_id)["code"]

    def lost(*_: Any, **__: Any) -> Any:
        raise Conflict

    monkeypatch.setattr(world.app.store, "append", lost)
    monkeypatch.setattr(world.app.store, "append_ending", lost)
    monkeypatch.setattr(world.app.store, "append_rotation", lambda *_, **__: False)
    for response in (
        world.refresh(client_id, tokens["refresh_token"]),
        world.exchange(client_id, code),
        world.post("/oauth/revoke", client_id=client_id, token=tokens["refresh_token"]),
    ):
        assert response.status_code == 503
        assert response.get_json()["error"] == "temporarily_unavailable"
        assert int(response.headers["Retry-After"]) >= 1
    monkeypatch.undo()
    assert world.refresh(client_id, tokens["refresh_token"]).status_code == 200


def test_a_grace_replay_is_given_even_where_it_cannot_be_recorded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    successor = world.refresh(client_id, tokens["refresh_token"]).get_json()["refresh_token"]

    def lost(*_: Any, **__: Any) -> Any:
        raise Conflict

    monkeypatch.setattr(world.app.store, "append", lost)
    replayed = world.refresh(client_id, tokens["refresh_token"])
    assert (replayed.status_code, replayed.get_json()["refresh_token"]) == (200, successor)


def test_a_database_that_is_gone_is_503_on_every_endpoint_and_all_is_well_when_it_returns(world: World) -> None:
    client_id = world.client_id()
    tokens, code = world.tokens(client_id), world.approve(client_id)["code"]
    name = world.database.name
    with psycopg.connect(world.database.superuser_dsn, dbname="postgres", autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            answers = [
                world.refresh(client_id, tokens["refresh_token"]),
                world.exchange(client_id, code),
                world.post("/oauth/revoke", client_id=client_id, token=tokens["refresh_token"]),
                world.try_register(),
                world.post("/oauth/introspect", token=tokens["access_token"], client_id="res_0", client_secret="x"),
                world.authorize(client_id),
            ]
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    assert [a.status_code for a in answers] == [503] * 6
    assert {a.get_json()["error"] for a in answers[:5]} == {"temporarily_unavailable"}
    assert world.refresh(client_id, tokens["refresh_token"]).status_code == 200
    assert world.exchange(client_id, code).status_code == 200
