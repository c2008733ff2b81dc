"""The one permission function: what shrinks shrinks, what ended stays ended, and nothing is ever given back to an old grant."""

from __future__ import annotations

import pytest

from domain.access import access
from tests.domain.given import FINANCE, MARKETING, MCP, SALES, SCOPES, World, a_session, a_world, consent_to, with_policy


def test_scopes_only_filter_what_the_member_may_do() -> None:
    world = a_world(role="Analyst")
    assert world.scope() == "account:read projects:query catalog:read"


def test_scopes_held_in_different_projects_never_multiply() -> None:
    world = a_world(role="Analyst", projects=(SALES, MARKETING), member_projects=(SALES,))
    world.member.permit("jobs.run", (MARKETING,), world.context)
    consent_to(world, SCOPES, (SALES, MARKETING))
    assert access(world.standing).details == [
        {"type": "project", "projects": [SALES], "actions": ["projects:query", "catalog:read"]},
        {"type": "project", "projects": [MARKETING], "actions": ["jobs:run"]},
    ]


def test_a_scope_without_a_project_ignores_the_project_choice() -> None:
    world = a_world(projects=())
    assert world.scope() == "account:read"


def test_all_projects_include_one_that_is_added_later() -> None:
    world = a_world(scopes=("projects:query",))
    world.account.add_project(FINANCE, "Finance", world.context)
    assert access(world.standing).scopes == {"projects:query": (SALES, MARKETING, FINANCE)}


def test_offline_access_follows_keep_alive() -> None:
    world = a_world(scopes=("account:read", "offline_access"))
    assert world.scope() == "account:read offline_access"
    consent_to(world, ("account:read", "offline_access"), keep_alive=False)
    assert world.scope() == "account:read"


def test_a_lost_permission_is_felt_and_a_regained_one_serves_only_new_grants() -> None:
    world = a_session()
    world.member.forbid("jobs.run", "*", world.context)
    assert "jobs:run" not in world.scope()
    world.member.permit("jobs.run", "*", world.context)
    assert "jobs:run" not in world.scope()
    consent_to(world, SCOPES)
    assert "jobs:run" in world.scope()


def test_a_changed_role_shrinks_and_its_return_revives_nothing() -> None:
    from domain.roles import permissions_of

    world = a_session()
    world.member.change_role("Analyst", permissions_of("Analyst"), "*", world.context)
    world.member.change_role("Job Operator", permissions_of("Job Operator"), "*", world.context)
    assert world.scope() == "account:read projects:query catalog:read"


def test_a_wider_second_consent_widens_new_grants_and_never_an_old_one() -> None:
    world = a_world(scopes=("account:read", "projects:query"), projects=(SALES,))
    old = world.grant
    consent_to(world, SCOPES, "*")
    world.grant = old
    assert access(world.standing).scopes == {"account:read": None, "projects:query": (SALES,)}


def test_a_narrower_second_consent_shrinks_the_old_grant() -> None:
    world = a_world()
    old = world.grant
    consent_to(world, ("account:read", "projects:query"), (MARKETING,))
    world.grant = old
    assert access(world.standing).scopes == {"account:read": None, "projects:query": (MARKETING,)}


def test_what_a_narrowing_took_stays_gone_when_it_is_consented_again() -> None:
    world = a_world()
    old = world.grant
    world.consent.narrow(("account:read",), (SALES,), world.context)
    consent_to(world, SCOPES, "*")
    world.grant = old
    assert world.scope() == "account:read"


def _block(world: World) -> None:
    world.account.block_app(world.client.fingerprint, "Tool", world.context)


def _unblock(world: World) -> None:
    world.account.unblock_app(world.client.fingerprint, "Tool", world.context)


def _remove_client(world: World) -> None:
    world.client.remove("admin", world.context)


def _register_again(world: World) -> None:
    facts = {"client_id": world.client.client_id, "registration": "dynamic", "metadata": world.client.metadata, "needs_approval": False}
    world.client.register(world.context, **facts)  # type: ignore[arg-type]


def _withdraw(world: World) -> None:
    world.consent.withdraw(world.context)


def _consent_again(world: World) -> None:
    old = world.grant
    consent_to(world, SCOPES)
    world.grant = old


def _remove_resource(world: World) -> None:
    world.account.remove_resource(MCP, world.context)


def _register_resource(world: World) -> None:
    world.account.register_resource("res_2", MCP, SCOPES, world.context)


ENDINGS = [
    ("app_blocked", _block, _unblock),
    ("client_removed", _remove_client, _register_again),
    ("member_deactivated", lambda w: w.member.deactivate(w.context), lambda w: w.member.reactivate(w.context)),
    ("consent_withdrawn", _withdraw, _consent_again),
    ("resource_removed", _remove_resource, _register_resource),
]


@pytest.mark.parametrize(("reason", "end", "restore"), ENDINGS, ids=[e[0] for e in ENDINGS])
def test_what_ended_stays_ended_whatever_is_restored(reason: str, end: object, restore: object) -> None:
    world = a_session()
    assert world.why_ended() is None
    end(world)  # type: ignore[operator]
    assert world.why_ended() == reason
    restore(world)  # type: ignore[operator]
    assert world.why_ended() == reason
    if reason != "consent_withdrawn":
        consent_to(world, SCOPES)
        assert world.why_ended() is None


def test_a_plan_without_the_feature_stops_everything_for_as_long_as_it_lasts() -> None:
    world = a_session()
    world.account.change_plan("team", world.context)
    assert world.why_ended() == "plan"
    world.account.change_plan("enterprise+", world.context)
    assert world.why_ended() is None


def test_a_client_that_needs_approval_waits_for_it() -> None:
    world = a_session()
    _remove_client(world)
    facts = {"client_id": world.client.client_id, "registration": "dynamic", "metadata": world.client.metadata, "needs_approval": True}
    world.client.register(world.context, **facts)  # type: ignore[arg-type]
    consent_to(world, SCOPES)
    assert world.why_ended() == "app_pending"
    world.account.approve_app(world.client.fingerprint, "Tool", world.context)
    assert world.why_ended() is None


def test_approval_and_block_hold_for_every_identical_registration() -> None:
    world = a_session(redirect_uris=["http://localhost:1234/cb"])
    other = a_world(redirect_uris=["http://localhost:9876/cb"])
    assert world.client.fingerprint == other.client.fingerprint


def test_seven_days_without_use_end_the_session_and_ninety_end_it_anyway() -> None:
    world = a_session()
    world.later(days=7, seconds=-1)
    assert world.why_ended() is None
    world.issue()
    world.later(days=7)
    assert world.why_ended() == "idle"
    world = a_session()
    for _ in range(15):
        world.later(days=6)
        world.issue()
    assert world.why_ended() == "absolute"


def test_a_policy_made_shorter_is_felt_at_once_and_one_made_longer_never_stretches_what_was_agreed() -> None:
    world = a_session()
    with_policy(world, idle_window="1h")
    world.later(hours=1)
    assert world.why_ended() == "idle"
    world = a_session()
    with_policy(world, idle_window="30d", absolute_lifetime="365d")
    world.later(days=7)
    assert world.why_ended() == "idle"


def test_a_scope_that_the_catalogue_no_longer_has_is_gone() -> None:
    world = a_world()
    keep = [s.as_fact() for s in world.account.scopes.values() if s.code != "jobs:run"]
    world.account.record(world.account.ScopeCataloguePublished, world.context, scopes=tuple(keep))
    assert "jobs:run" not in world.scope()
