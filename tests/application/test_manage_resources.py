"""A resource's operations are checked when they are registered: a slip would silently offer nothing."""

from __future__ import annotations

from typing import Any

import pytest

from application import manage_resources
from domain.errors import InvalidInput
from tests.support.oauth_world import CLI, World

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
