from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from domain.activity import Activity
from domain.client import Client
from domain.grant import Grant
from domain.sign_in import SignIn
from projections.integrations.queries import integration
from projections.usage.queries import Day, ScopeUse, account_days, app_days, requests_by_day, scope_use, unused_scopes
from tests.projections.history import LIFETIMES, MCP
from tests.projections.scene import Scene


def act(scene: Scene, grant: Grant, scope: str | None = "projects:query", outcome: Any = "ok") -> None:
    context = scene.history.context(grant.member_id, grant.for_client, "mcp")
    facts: dict[str, Any] = {"grant_id": str(grant.id), "client_id": grant.client_id, "resource": MCP, "operation": "any"}
    scene.append(Activity.performed(uuid4(), context, scope=scope, projects=(), outcome=outcome, detail=None, **facts))


def fingerprint(scene: Scene, client: Client) -> str:
    scene.told()
    row = integration(scene.connection, scene.account, client.client_id)
    assert row is not None
    return row.fingerprint


def scopes(scene: Scene, client: Client) -> dict[str, tuple[int, int]]:
    found = scope_use(scene.connection, scene.account, fingerprint(scene, client), scene.history.now - timedelta(days=30))
    return {use.scope: (use.granted, use.used) for use in found}


def day(scene: Scene, client: Client | None = None) -> Day:
    scene.told()
    today = scene.history.now.date()
    if client is None:
        return account_days(scene.connection, scene.account, today, 1)[0]
    return app_days(scene.connection, scene.account, fingerprint(scene, client), today, 1)[0]


def unused(scene: Scene, *wanted: str) -> list[Any]:
    scene.told()
    return unused_scopes(scene.connection, scene.account, wanted, scene.history.now - timedelta(days=30))


def test_each_day_counts_what_happened_to_an_app_and_to_the_account(scene: Scene) -> None:
    first, second, other = scene.client(port=3118), scene.client(port=4711), scene.client("Cursor")
    grant = scene.grant(scene.member(), first)
    scene.history.issue(grant)
    scene.history.issue(grant)
    context = scene.history.context(grant.member_id, grant.for_client)
    grant.note_replay(context, "ff")
    scene.append(grant)
    act(scene, grant)
    act(scene, scene.grant(scene.member(), other))
    today = scene.history.now.date()
    assert day(scene, second) == Day(today, registrations=2, consents=1, tokens=4, refreshes=2, races=1, reuses=0, actions=1)
    assert (day(scene).registrations, day(scene).consents, day(scene).tokens, day(scene).actions) == (3, 2, 5, 2)
    grant.record(Grant.ReuseDetectedEvent, context, generation=1, current=3, rotated_at=scene.history.now)
    scene.append(grant)
    assert day(scene, first).reuses == 1


def test_quiet_days_stand_between_busy_ones(scene: Scene) -> None:
    client = scene.client()
    grant = scene.grant(scene.member(), client)
    scene.later(days=2)
    act(scene, grant)
    today, print_ = scene.history.now.date(), fingerprint(scene, client)
    found = app_days(scene.connection, scene.account, print_, today, 4)
    assert [(d.day, d.tokens, d.actions) for d in found] == [
        (today - timedelta(days=3), 0, 0), (today - timedelta(days=2), 1, 0), (today - timedelta(days=1), 0, 0), (today, 0, 1),
    ]  # fmt: skip
    assert requests_by_day(scene.connection, scene.account, [print_, "none"], today, 4) == {print_: (0, 1, 0, 1)}
    assert requests_by_day(scene.connection, scene.account, [], today, 4) == {}


def test_sign_ins_count_for_the_account_and_failures_by_how_many_they_stand_for(scene: Scene) -> None:
    member = scene.member()
    came, failed = (SignIn.blank(uuid4(), scene.history.context()) for _ in range(2))
    came.succeed(scene.history.context(str(member.id), source="ui"), str(member.id), "password")
    failed.fail(scene.history.context(source="ui"), method="password", member_id=None, login_key=None, reason="wrong", count=3)
    scene.append(came, failed)
    assert (day(scene).sign_ins, day(scene).failed_sign_ins) == (1, 3)


def test_a_scope_is_used_by_an_action_that_needed_it(scene: Scene) -> None:
    client, one, two = scene.client(), scene.member(), scene.member()
    grant = scene.grant(one, client)
    scene.grant(two, client)
    assert scopes(scene, client) == {"account:read": (2, 0), "projects:query": (2, 0)}
    act(scene, grant)
    act(scene, grant, None)
    act(scene, grant, "account:read", outcome="refused")
    assert scopes(scene, client) == {"account:read": (2, 0), "projects:query": (2, 1)}
    scene.later(days=31)
    assert scopes(scene, client)["projects:query"] == (2, 0)
    act(scene, grant, outcome="failed")
    assert scopes(scene, client)["projects:query"] == (2, 1)


def test_staying_connected_is_used_by_refreshing(scene: Scene) -> None:
    client, member = scene.client(), scene.member()
    grant = scene.grant(member, client)
    scene.history.issue(grant)
    assert scopes(scene, client) == {"account:read": (1, 0), "projects:query": (1, 0)}
    consent = scene.history.consents[next(iter(scene.history.consents))]
    consent.give(
        scene.history.context(str(member.id), str(client.id)), member_id=str(member.id), for_client=str(client.id),
        requested=("account:read", "offline_access"), resource=MCP, text="0" * 64, approved=("account:read",), denied=(), projects="*",
        keep_alive=True, lifetimes=LIFETIMES, held=(), grant_id="g",
    )  # fmt: skip
    scene.append(consent)
    assert scopes(scene, client) == {"account:read": (1, 0), "offline_access": (1, 0)}
    scene.history.issue(grant)
    assert scopes(scene, client)["offline_access"] == (1, 1)


def test_what_was_taken_back_is_granted_no_more_and_counts_anew_when_given_again(scene: Scene) -> None:
    client, member = scene.client(), scene.member()
    consent = scene.consent(member, client, ("account:read", "projects:query"))
    context = scene.history.context(str(member.id), str(client.id))
    consent.narrow(("account:read",), "*", context)
    scene.append(consent)
    assert scopes(scene, client) == {"account:read": (1, 0)}
    consent.withdraw(context)
    scene.append(consent)
    assert scopes(scene, client) == {}
    scene.later(days=40)
    scene.consent(member, client, ("account:read",))
    assert unused(scene, "account:read") == []
    scene.later(days=31)
    assert [(found.name, found.people) for found in unused(scene, "account:read")] == [("Claude Code", 1)]


def test_powerful_scopes_that_nobody_used_for_long_are_found(scene: Scene) -> None:
    idle, busy, blocked, one, two = scene.client("Idle"), scene.client("Busy"), scene.client("Blocked"), scene.member(), scene.member()
    used = scene.grant(one, busy, ("account:read", "jobs:run"))
    for client, member in ((idle, one), (idle, two), (busy, two), (blocked, one)):
        scene.grant(member, client, ("account:read", "jobs:run"))
    scene.later(days=31)
    scene.history.account.block_app(blocked.fingerprint, blocked.name, scene.admin())
    scene.append(scene.history.account)
    act(scene, used, "jobs:run")
    assert [(row.name, row.scope, row.people, row.client_stream) for row in unused(scene, "jobs:run", "projects:develop")] == [
        ("Idle", "jobs:run", 2, str(idle.id)), ("Busy", "jobs:run", 1, str(busy.id)),
    ]  # fmt: skip
    two.deactivate(scene.admin())
    scene.append(two)
    assert [(row.name, row.people) for row in unused(scene, "jobs:run")] == [("Idle", 1)]


def test_a_use_by_another_registration_of_the_same_app_counts_for_the_person(scene: Scene) -> None:
    first, second, member = scene.client(port=3118), scene.client(port=4711), scene.member()
    scene.grant(member, first)
    act(scene, scene.grant(member, second))
    assert scopes(scene, first) == {"projects:query": (1, 1), "account:read": (1, 0)}
    found = scope_use(scene.connection, scene.account, fingerprint(scene, first), scene.history.now - timedelta(days=1))
    assert found[0] == ScopeUse("projects:query", 1, 1, scene.history.now)
