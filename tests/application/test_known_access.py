from __future__ import annotations

from application.known_access import KnownAccess
from domain.access import access
from tests.domain.given import a_world


def test_the_same_versions_are_judged_once() -> None:
    world, known = a_world(role="Analyst"), KnownAccess()
    first = known.of(world.standing)
    assert known.of(world.standing) is first
    assert (first.barred, first.access) == (None, access(world.standing))


def test_a_newer_version_is_judged_anew() -> None:
    world, known = a_world(role="Analyst"), KnownAccess()
    before = known.of(world.standing)
    world.member.forbid("metrics.query", "*", world.context)
    assert "projects:query" in before.access.scopes
    assert "projects:query" not in known.of(world.standing).access.scopes
    world.member.deactivate(world.context)
    assert known.of(world.standing).barred == "member_deactivated"
    world.member.reactivate(world.context)
    assert known.of(world.standing).barred == "member_deactivated"


def test_only_so_many_grants_are_remembered() -> None:
    known = KnownAccess(size=2)
    for _ in range(5):
        known.of(a_world().standing)
    assert len(known._known) <= 2
