from __future__ import annotations

from domain.scopes import DEFAULT_CATALOGUE
from web.demo.upstream.operations import operations


def test_each_scope_that_an_app_may_ask_for_has_a_tool() -> None:
    assert {operation.scope for operation in operations().values()} == {
        "account:read",
        "projects:query",
        "catalog:read",
        "projects:develop",
        "jobs:run",
    }


def test_every_scope_of_the_map_is_in_the_default_catalogue() -> None:
    assert {operation.scope for operation in operations().values()} <= {scope.code for scope in DEFAULT_CATALOGUE}
