"""What a decision would take from sessions: told beforehand, and true afterwards."""

from __future__ import annotations

from uuid import UUID

import pytest

from application import foresee, manage_members, manage_projects
from application.lookups import member_of
from domain.errors import Refused
from domain.member import Member
from tests.support.oauth_world import CLI, World

ADMIN_ONLY = "account:read account:manage"


def _scope(world: World, tokens: dict[str, str]) -> str:
    return str(world.introspect(tokens["access_token"]).get("scope", ""))


def test_a_permission_taken_narrows_one_session_and_ends_another(world: World) -> None:
    services, account_id, who = world.services, world.account_id, world.member("Developer")
    wide, narrow = (world.tokens(world.client_id(), who, scopes=scopes) for scopes in ("account:read projects:query", "projects:query"))
    grants = [str(world.grant_id(tokens)) for tokens in (wide, narrow)]
    decide = manage_members.permission_change(services, account_id, Member.forbid, "metrics.query", origin=CLI)
    found = foresee.of_member(services, member_of(services, account_id, who), decide, [*grants, "nonsense", "00000000-0000-0000-0000-000000000000"])
    assert found.judged == 2
    assert [loss.grant_id for loss in found.narrowing] == grants[:1]
    assert [loss.grant_id for loss in found.ending] == grants[1:]
    assert {loss.scopes[0] for loss in found.losses} == {"projects:query"}
    assert "projects:query" in _scope(world, wide)
    manage_members.forbid(services, account_id, UUID(who), "metrics.query", origin=CLI)
    assert set(_scope(world, wide).split()) == {"account:read", "offline_access"}
    assert _scope(world, narrow) == ""


def test_a_permission_taken_in_one_project_is_a_loss_there_only(world: World) -> None:
    services, account_id, who = world.services, world.account_id, world.member("Analyst")
    sales, marketing = world.projects.values()
    grant = str(world.grant_id(world.tokens(world.client_id(), who, scopes="projects:query", projects=[marketing])))
    everywhere = str(world.grant_id(world.tokens(world.client_id(), who, scopes="projects:query")))
    decide = manage_members.permission_change(services, account_id, Member.forbid, "metrics.query", projects=[sales], origin=CLI)
    found = foresee.of_member(services, member_of(services, account_id, who), decide, [grant, everywhere])
    assert [(loss.grant_id, loss.after.scopes["projects:query"]) for loss in found.losses] == [(everywhere, (marketing,))]
    assert found.judged == 2


def test_a_role_that_only_adds_takes_nothing_and_one_that_takes_says_what(world: World) -> None:
    services, account_id, who = world.services, world.account_id, world.member("Developer")
    grant = str(world.grant_id(world.tokens(world.client_id(), who, scopes="account:read projects:develop")))

    def change(role: str) -> foresee.Foreseen:
        return foresee.of_member(
            services, member_of(services, account_id, who), manage_members.role_change(services, account_id, role, origin=CLI), [grant]
        )

    assert change("Job Operator").losses == ()
    assert [loss.scopes for loss in change("Analyst").losses] == [("projects:develop",)]
    assert services.store.load(Member, UUID(who)).role == "Developer"  # type: ignore[union-attr]  # there


def test_deactivating_ends_all_that_lives_and_what_ended_is_not_counted_again(world: World) -> None:
    services, account_id, who = world.services, world.account_id, world.member("Developer")
    grants = [str(world.grant_id(world.tokens(world.client_id(), who))) for _ in range(2)]
    decide = manage_members.deactivation(services, account_id, origin=CLI)
    assert len(foresee.of_member(services, member_of(services, account_id, who), decide, grants).ending) == 2
    manage_members.deactivate(services, account_id, UUID(who), origin=CLI)
    manage_members.reactivate(services, account_id, UUID(who), origin=CLI)
    assert foresee.of_member(services, member_of(services, account_id, who), decide, grants) == foresee.Foreseen()


def test_what_the_only_admin_may_not_lose_is_refused_beforehand(world: World) -> None:
    decide = manage_members.deactivation(world.services, world.account_id, origin=CLI)
    with pytest.raises(Refused, match="only account admin"):
        foresee.of_member(world.services, member_of(world.services, world.account_id, world.admin_id), decide, [])


def test_a_removed_project_is_lost_by_every_session_that_reaches_it(world: World) -> None:
    services, account_id = world.services, world.account_id
    sales, marketing = world.projects.values()
    tokens = {
        "both": world.tokens(world.client_id(), world.member("Analyst"), scopes="account:read projects:query"),
        "only": world.tokens(world.client_id(), world.member("Analyst"), scopes="projects:query", projects=[sales]),
        "other": world.tokens(world.client_id(), world.member("Analyst"), scopes="projects:query", projects=[marketing]),
    }
    names = {str(world.grant_id(found)): name for name, found in tokens.items()}
    decide = manage_projects.removal(services, account_id, sales, origin=CLI)
    found = foresee.of_account(services, account_id, decide, names)
    assert [names[loss.grant_id] for loss in found.narrowing] == ["both"]
    assert [names[loss.grant_id] for loss in found.ending] == ["only"]
    manage_projects.remove(services, account_id, sales, origin=CLI)
    assert _scope(world, tokens["only"]) == ""
    assert "projects:query" in _scope(world, tokens["other"])
