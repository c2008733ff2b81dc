"""The scope catalogue and what resources serve: what may be published, and that no session ever gets back what it lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.catalogue import new_scope
from domain.errors import DomainError, InvalidInput, Refused
from domain.scopes import DEFAULT_CATALOGUE, Scope
from tests.domain.given import MCP, SCOPES, World, a_session, a_world, consent_to

REPORTS = new_scope("reports:read", "metrics.query", " See  reports ", "Reports and their numbers", acts=False, dynamic=True)


def publish(world: World, *scopes: Scope) -> None:
    world.account.publish_scopes(scopes, world.context)


def serve(world: World, *scopes: str) -> None:
    resource = world.account.resource(MCP)
    world.account.change_resource(MCP, scopes, world.context, upstream=resource.upstream, operations=resource.operations)


def without(code: str) -> tuple[Scope, ...]:
    return tuple(scope for scope in DEFAULT_CATALOGUE if scope.code != code)


def test_a_scope_of_ones_own_can_be_served_and_consented_to() -> None:
    world = a_world()
    publish(world, *DEFAULT_CATALOGUE, REPORTS)
    assert world.account.scopes["reports:read"].title == "See reports"
    serve(world, *SCOPES, "reports:read")
    consent_to(world, (*SCOPES, "reports:read"))
    assert world.scope().endswith("reports:read")


def test_the_same_catalogue_again_is_no_event() -> None:
    world = a_world()
    before = world.account.version
    publish(world, *DEFAULT_CATALOGUE)
    serve(world, *world.account.resource(MCP).scopes)
    assert world.account.version == before


def test_other_words_change_nothing_for_sessions() -> None:
    world = a_session()
    held = world.scope()
    publish(world, *(replace(scope, title="New words") for scope in DEFAULT_CATALOGUE))
    assert world.scope() == held


def test_a_scope_that_left_the_catalogue_comes_back_for_new_sessions_only() -> None:
    world = a_session()
    serve(world, *(scope for scope in SCOPES if scope != "jobs:run"))
    publish(world, *without("jobs:run"))
    publish(world, *DEFAULT_CATALOGUE)
    serve(world, *SCOPES)
    assert "jobs:run" not in world.scope()
    consent_to(world, SCOPES)
    assert "jobs:run" in world.scope()


def test_what_a_resource_serves_no_longer_is_lost_for_good() -> None:
    world = a_session()
    serve(world, "account:read", "projects:query")
    assert world.scope() == "account:read projects:query"
    serve(world, *SCOPES)
    assert world.scope() == "account:read projects:query"
    assert world.why_ended() is None


def test_a_scope_that_needs_another_permission_never_widens_an_old_session() -> None:
    world = a_world(role="Analyst")
    other = new_scope("jobs:run", "metrics.query", "Run jobs", "Now for everyone", acts=True, dynamic=True)
    publish(world, *without("jobs:run"), other)
    assert "jobs:run" not in world.scope()
    consent_to(world, SCOPES)
    assert "jobs:run" in world.scope()


@pytest.mark.parametrize(
    ("scopes", "said"),
    [
        ((*DEFAULT_CATALOGUE, REPORTS, REPORTS), "twice"),
        (without("offline_access"), "offline_access stays"),
        (without("account:manage"), "API asks for it"),
        (without("jobs:run"), "can't be removed while the resource https://data.example/mcp names it"),
        ((*without("account:read"), replace(DEFAULT_CATALOGUE[1], permission="audit.read")), "needs account.read"),
        ((*DEFAULT_CATALOGUE, replace(REPORTS, code="Reports Read")), "A scope's code"),
        ((*DEFAULT_CATALOGUE, replace(REPORTS, code="")), "A scope's code"),
        ((*DEFAULT_CATALOGUE, replace(REPORTS, permission="reports.read")), "one of the permissions"),
        ((*DEFAULT_CATALOGUE, replace(REPORTS, permission=None)), "one of the permissions"),
        ((*DEFAULT_CATALOGUE, replace(REPORTS, per_project=False)), "per project"),
        ((*DEFAULT_CATALOGUE, replace(REPORTS, title=" ")), "title"),
        ((*DEFAULT_CATALOGUE, replace(REPORTS, description="a\x00b")), "description"),
        ((*DEFAULT_CATALOGUE, *(replace(REPORTS, code=f"r:{n}") for n in range(100))), "at most"),
    ],
)
def test_what_no_catalogue_may_be_is_refused(scopes: tuple[Scope, ...], said: str) -> None:
    world = a_world()
    before = world.account.version
    with pytest.raises(DomainError, match=said):
        publish(world, *scopes)
    assert world.account.version == before


def test_a_scope_that_the_policy_names_stays() -> None:
    world = a_world()
    publish(world, *DEFAULT_CATALOGUE, REPORTS)
    world.account.change_registration_policy({"dynamic_scopes": "reports:read"}, world.context)
    with pytest.raises(Refused, match="the registration policy names it"):
        publish(world, *DEFAULT_CATALOGUE)


def test_a_resource_serves_scopes_of_the_catalogue_only() -> None:
    world = a_world()
    with pytest.raises(InvalidInput, match="reports:read"):
        serve(world, "reports:read")
    with pytest.raises(InvalidInput, match="none"):
        serve(world)


def test_a_rotation_is_told_by_its_version() -> None:
    world = a_world()
    made = world.account.resource(MCP).secret_since
    world.account.rotate_resource(MCP, world.context)
    assert world.account.resource(MCP).secret_since == world.account.version > made
    serve(world, "account:read")
    assert world.account.resource(MCP).secret_since == world.account.version - 1
