"""A resource's operations are checked when they are registered: a slip would silently offer nothing."""

from __future__ import annotations

from typing import Any

import pytest

from application import manage_resources
from domain.errors import AlreadyExists, InvalidInput
from tests.support.oauth_world import CLI, MCP, World

SCOPES = ("projects:query", "jobs:run")


def add(world: World, operations: dict[str, Any]) -> manage_resources.ResourceSecret:
    identifier = f"https://api.example.com/{len(world.account.resources)}"
    return manage_resources.add(world.services, world.account_id, identifier=identifier, scopes=SCOPES, operations=operations, origin=CLI)


@pytest.mark.parametrize(
    ("operations", "said"),
    [
        ({"tool": {"query": "jobs:run"}}, "tools, prompts, resources"),
        ({"tools": ["query"]}, "tools, prompts, resources"),
        ({"tools": {"query": "catalog:read"}}, "not 'catalog:read'"),
        ({"tools": {"query": None}}, "not None"),
        ({"tools": {"query": ["jobs:run"]}}, "not \\['jobs:run'\\]"),
        ({"tools": {"query": {"scope": "jobs:run", "projectArgument": "p"}}}, "'projectArgument'"),
        ({"tools": {"query": {"scope": "jobs:run", "project_argument": 7}}}, "name of an argument"),
        ({"tools": {"query": {"scope": "jobs:run", "project_argument": ""}}}, "name of an argument"),
        ({"tools": {"": "jobs:run"}}, "names nothing"),
        ({"tools": {"*": "jobs:run"}}, "may end with"),
        ({"resources": {"docs://*/a": "jobs:run"}}, "may end with"),
    ],
)
def test_a_slip_in_the_operations_is_refused_with_what_was_meant(shared: World, operations: dict[str, Any], said: str) -> None:
    before = shared.account.resources
    with pytest.raises(InvalidInput, match=said) as refused:
        add(shared, operations)
    assert refused.value.field == "operations"
    assert shared.account.resources == before


def test_sound_operations_stand_in_the_account(shared: World) -> None:
    operations = {
        "tools": {"query": {"scope": "projects:query", "project_argument": "project"}, "run": "jobs:run"},
        "prompts": {"ask": {"scope": "jobs:run"}},
        "resources": {"docs://a/*": "projects:query"},
    }
    made = add(shared, operations)
    assert shared.account.resources[made.identifier].operations == operations


def test_a_resource_is_changed_in_place_and_keeps_its_secret_and_its_sessions(world: World) -> None:
    tokens = world.tokens(world.client_id())
    before = world.account.resource(MCP)
    operations = {"tools": {"query": "projects:query"}}
    recorded = manage_resources.change(world.services, world.account_id, MCP, upstream="http://127.0.0.1:9/mcp", operations=operations, origin=CLI)
    assert recorded is not None
    after = world.account.resource(MCP)
    assert (after.upstream, after.operations, after.scopes) == ("http://127.0.0.1:9/mcp", operations, before.scopes)
    assert world.introspect(tokens["access_token"])["active"]
    narrowed = manage_resources.change(world.services, world.account_id, before.resource_id, scopes=["projects:query"], upstream=False, origin=CLI)
    assert narrowed is not None
    assert world.account.resource(MCP).upstream is None
    assert set(world.introspect(tokens["access_token"])["scope"].split()) == {"offline_access", "projects:query"}
    assert manage_resources.change(world.services, world.account_id, MCP, origin=CLI) is None


def test_operations_that_need_a_scope_that_goes_are_named(world: World) -> None:
    manage_resources.change(world.services, world.account_id, MCP, operations={"tools": {"run": "jobs:run"}}, origin=CLI)
    with pytest.raises(InvalidInput, match="'run' needs a scope of the resource"):
        manage_resources.change(world.services, world.account_id, MCP, scopes=["projects:query"], origin=CLI)


def test_one_that_is_there_is_not_added_again_and_the_answer_says_what_to_do(shared: World) -> None:
    with pytest.raises(AlreadyExists, match="change it instead, which ends no session"):
        manage_resources.add(shared.services, shared.account_id, identifier=MCP, scopes=SCOPES, origin=CLI)
