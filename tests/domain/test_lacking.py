from __future__ import annotations

import pytest

from domain.access import access
from domain.lacking import Lack, why_lacking
from domain.roles import permissions_of
from tests.domain import given


def lack(world: given.World, code: str = "jobs:run") -> Lack:
    assert code not in access(world.standing).scopes
    return why_lacking(world.standing, code)


def test_a_permission_that_an_admin_took_is_told_with_its_time_until_it_is_given_back() -> None:
    world = given.a_world(role="Job Operator")
    taken_at = world.now
    world.member.forbid("jobs.run", "*", world.context)
    world.later(days=1)
    assert lack(world) == Lack("taken", "jobs.run", taken_at)
    world.member.permit("jobs.run", "*", world.context)
    assert lack(world) == Lack("lost", "jobs.run"), "it serves new grants only"
    assert dict(world.member.taken) == {}


def test_a_permission_taken_project_by_project_counts_as_taken_with_the_last() -> None:
    world = given.a_world(role="Job Operator", member_projects=(given.SALES, given.MARKETING))
    world.member.forbid("jobs.run", (given.SALES,), world.context)
    assert dict(world.member.taken) == {}
    world.later(days=1)
    world.member.forbid("jobs.run", (given.MARKETING,), world.context)
    assert lack(world) == Lack("taken", "jobs.run", world.now)


@pytest.mark.parametrize("taken_before", [False, True])
def test_another_role_is_what_a_role_without_it_is_blamed_on(*, taken_before: bool) -> None:
    world = given.a_world(role="Job Operator")
    if taken_before:
        world.member.forbid("jobs.run", "*", world.context)
    world.member.change_role("Analyst", permissions_of("Analyst"), "*", world.context)
    assert lack(world) == Lack("role", "jobs.run")


def test_what_was_never_allowed_or_does_not_exist_is_told_apart() -> None:
    world = given.a_world(role="Job Operator", scopes=("projects:query",))
    assert lack(world) == Lack("not_consented", "jobs.run")
    assert lack(world, "reports:read") == Lack("unknown")


def test_a_narrowed_consent_is_told_as_such() -> None:
    world = given.a_world(role="Job Operator")
    world.consent.narrow(("projects:query",), "*", world.context)
    assert lack(world) == Lack("narrowed", "jobs.run")
