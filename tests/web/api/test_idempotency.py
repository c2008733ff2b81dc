from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from domain.errors import Refused
from infrastructure.store.idempotency_tables import ABANDONED, LIFETIME
from tests.web.api.conftest import Caller, Server


def _add(caller: Caller, key: str, **body: Any) -> Any:
    return caller.post("/projects", body, headers={"Idempotency-Key": key})


def _projects(caller: Caller) -> list[str]:
    return [project["name"] for project in caller.get("/projects").get_json()["data"]]


def test_a_repeated_call_gets_the_same_answer_and_does_nothing(admin: Caller) -> None:
    first, again = _add(admin, "k-1", name="Once"), _add(admin, "k-1", name="Once")
    assert first.status_code == again.status_code == 201
    assert again.data == first.data
    for header in ("ETag", "Location", "Grantbook-Position", "Content-Type"):
        assert again.headers[header] == first.headers[header]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert _projects(admin).count("Once") == 1


def test_a_key_stands_for_one_request(admin: Caller) -> None:
    _add(admin, "k-2", name="Two")
    other = _add(admin, "k-2", name="Three")
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency-key-reused")
    assert "Three" not in _projects(admin)


def test_a_refused_call_leaves_its_key_free(admin: Caller) -> None:
    assert _add(admin, "k-4", name="").status_code == 422
    assert _add(admin, "k-4", name="Four").status_code == 201


def test_keys_of_different_people_do_not_meet(server: Server) -> None:
    assert _add(server.caller(), "k-5", name="Mine").status_code == 201
    other = _add(server.new_caller(), "k-5", name="Theirs")
    assert other.status_code == 201
    assert "Idempotent-Replayed" not in other.headers


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\u00e9"])
def test_a_key_is_visible_ascii(admin: Caller, key: str) -> None:
    assert _add(admin, key, name="Never").status_code == 400
    assert "Never" not in _projects(admin)


def test_of_many_calls_at_once_one_is_carried_out(server: Server) -> None:
    admin = server.caller()
    answers = []

    def call() -> None:
        answers.append(_add(Caller(server.world, admin.token), "k-6", name="Six"))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    codes = {answer.status_code for answer in answers}
    assert codes <= {201, 409}
    assert _projects(admin).count("Six") == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.get_json()["code"] == "idempotency-in-progress"
            assert answer.headers["Retry-After"] == "1"
    assert _add(admin, "k-6", name="Six").status_code == 201


def test_secrets_are_answered_again_but_never_stored_readably(server: Server) -> None:
    admin = server.caller()
    body = {"identifier": "https://secret.example", "scopes": ["account:read"]}
    first = admin.post("/resources", body, headers={"Idempotency-Key": "k-7"})
    secret = first.get_json()["secret"]
    assert admin.post("/resources", body, headers={"Idempotency-Key": "k-7"}).get_json()["secret"] == secret
    with psycopg.connect(server.world.database.web_dsn) as conn:
        rows = conn.execute("SELECT id, request, answer FROM idempotency_keys").fetchall()
    assert rows
    assert all(secret.encode() not in bytes(part or b"") and b"k-7" not in bytes(part or b"") for row in rows for part in row)


def test_a_call_that_died_before_it_recorded_anything_is_carried_out_later(own_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    admin, world = own_server.caller(), own_server.world
    tables = type(world.services.store.tables())
    with monkeypatch.context() as patched:
        patched.setattr("application.manage_projects.add", _dies)
        patched.setattr(tables, "release_idempotency_key", lambda *_: None)
        assert _add(admin, "k-8", name="Eight").status_code == 409
    assert _add(admin, "k-8", name="Eight").get_json()["code"] == "idempotency-in-progress"
    world.later(seconds=ABANDONED.total_seconds() + 1)
    assert _add(admin, "k-8", name="Eight").status_code == 201


def test_a_call_that_died_after_it_recorded_something_is_never_repeated(own_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    admin, world = own_server.caller(), own_server.world
    tables = type(world.services.store.tables())
    with monkeypatch.context() as patched:
        patched.setattr(tables, "keep_idempotent_answer", lambda *_: None)
        assert _add(admin, "k-9", name="Nine").status_code == 201
    world.later(seconds=ABANDONED.total_seconds() + 1)
    lost = _add(admin, "k-9", name="Nine")
    assert (lost.status_code, lost.get_json()["code"]) == (409, "idempotency-answer-lost")
    assert _projects(admin).count("Nine") == 1


def test_after_a_day_a_key_is_new(own_server: Server) -> None:
    world = own_server.world
    world.policy(access_token_ttl="3d")
    admin = own_server.new_caller()
    assert _add(admin, "k-10", name="Ten").status_code == 201
    world.later(seconds=LIFETIME.total_seconds() + 1)
    assert _add(admin, "k-10", name="Ten").get_json()["code"] == "already-exists"
    world.services.store.tables().prune(world.services.clock())


def _dies(*_: Any, **__: Any) -> Any:
    raise Refused("The worker died here.")
