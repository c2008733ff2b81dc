from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from application import rotate_keys, sign_in, sweep
from application.services import Origin
from tests.support.oauth_world import CLI, World


@dataclass
class Due:
    """What the views would say is due."""

    grants: list[str] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)
    asked_before: datetime | None = None

    def expired_grants(self, account_id: str, now: datetime, limit: int) -> Iterable[str]:
        return self.grants

    def unused_clients(self, account_id: str, registered_before: datetime, limit: int) -> Iterable[str]:
        self.asked_before = registered_before
        return self.clients


def swept(world: World, due: Due | None = None, memory: sweep.Swept | None = None) -> int:
    return sweep.sweep(world.services, world.account_id, due or Due(), memory or sweep.Swept())


def which(world: World, grant_id: object) -> list[str]:
    return [event.which for event in world.events(str(grant_id)) if hasattr(event, "which")]


@pytest.mark.parametrize(("days", "reason"), [(8, "idle"), (91, "absolute")])
def test_an_expired_session_is_noted_once(world: World, days: int, reason: str) -> None:
    grant_id = world.grant_id(world.tokens(world.client_id()))
    due, memory = Due([str(grant_id)]), sweep.Swept()
    assert swept(world, due, memory) == 0
    world.later(days=days)
    assert swept(world, due, memory) == 1
    assert swept(world, due, memory) == 0
    assert which(world, grant_id) == [reason]


def test_a_code_that_nobody_exchanged_is_noted(world: World) -> None:
    code = world.approve(world.client_id())["code"]
    token = world.services.codec.read(code)
    assert token is not None
    world.later(seconds=61)
    assert swept(world, Due([str(token.grant_id)])) == 1
    assert which(world, token.grant_id) == ["code"]


def test_a_view_that_lags_ends_no_live_session(world: World) -> None:
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    assert swept(world, Due([str(world.grant_id(tokens))])) == 0
    assert world.refresh(client_id, tokens["refresh_token"]).status_code == 200


def test_an_unused_registration_is_reaped_and_told_to_register_again(world: World) -> None:
    client_id = world.client_id()
    due = Due(clients=[client_id.removeprefix("app_")])
    assert swept(world, due) == 1
    assert due.asked_before is not None
    assert world.services.clock() - due.asked_before >= timedelta(days=30)
    assert swept(world, due) == 0
    assert world.refresh(client_id, "x" * 88).get_json()["error"] in ("invalid_client", "invalid_grant")
    assert world.authorize(client_id).status_code != 303


def test_a_policy_without_reaping_reaps_nothing(world: World) -> None:
    world.policy(reap_unused_after_days="0")
    assert swept(world, Due(clients=[world.client_id().removeprefix("app_")])) == 0


def test_a_rotated_key_takes_over_after_every_worker_has_read_it_and_the_old_one_stays_readable(world: World) -> None:
    services, account_id = world.services, world.account_id
    tokens = world.tokens(world.client_id())
    made = rotate_keys.rotate(services, account_id, "token", origin=CLI)

    def statuses() -> dict[str, str]:
        return {k["kid"]: k["status"] for k in services.store.tables().signing_keys(account_id) if k["use"] == "token"}

    (old,) = set(statuses()) - {made.kid}
    assert swept(world) == 0
    assert statuses() == {old: "active", made.kid: "published"}
    world.later(seconds=61)
    assert swept(world) == 1
    assert statuses() == {old: "active", made.kid: "active"}
    assert world.introspect(tokens["access_token"])["active"]
    world.later(days=1, hours=1)
    assert swept(world) == 1
    assert statuses() == {old: "retired", made.kid: "active"}
    assert world.topics(made.kid) == ["signing_key.published", "signing_key.activated"]
    assert swept(world) == 0


def test_the_failures_of_a_flood_are_one_counted_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "EACH_RECORDED", 3)
    monkeypatch.setattr(sweep, "EACH_RECORDED", 3)
    for number in range(10):
        sign_in.sign_in_with_password(world.services, world.account_id, f"n{number}@x.example", "wrong", Origin("ui", "203.0.113.7"))
    assert swept(world) == 0
    world.later(seconds=61)
    memory = sweep.Swept()
    assert swept(world, memory=memory) == 1
    assert swept(world, memory=memory) == 0
    assert swept(world) == 0, "another leader counts it a second time"
    counts = sorted(event.count for event in _failed(world))
    assert counts == [1, 1, 1, 7]


def test_what_expired_long_ago_is_cleared_away_but_counters_of_all_time_stay(world: World) -> None:
    tables = world.services.store.tables()
    world.client_id()
    tables.count("some-bucket", world.services.clock())
    before = _counters(world)
    world.later(days=2)
    swept(world)
    after = _counters(world)
    assert "some-bucket" in before
    assert "some-bucket" not in after
    assert f"registrations:{world.account_id}" in after


def _failed(world: World) -> list[Any]:
    rows = world.services.store.tables()._run("SELECT DISTINCT originator_id FROM events WHERE topic = 'sign_in.failed'")  # type: ignore[attr-defined]
    return [event for (stream,) in rows for event in world.events(stream)]


def _counters(world: World) -> set[str]:
    rows = world.services.store.tables()._run("SELECT bucket FROM rate_counters")  # type: ignore[attr-defined]
    return {bucket for (bucket,) in rows}
