from __future__ import annotations

import pytest

from application import manage_resources, manage_scopes
from domain.errors import AlreadyExists, NotFound, Refused
from tests.support.oauth_world import ALL_SCOPES, CLI, MCP, REAL_SCOPES, World

WORDS = {"title": "See reports", "description": "Reports and their numbers"}


def test_a_new_scope_is_asked_for_consented_to_and_lost_for_good(world: World) -> None:
    services, account_id = world.services, world.account_id
    manage_scopes.add(services, account_id, code="reports:read", permission="metrics.query", **WORDS, acts=False, dynamic=True, origin=CLI)
    scopes = [*world.account.resource(MCP).scopes, "reports:read"]
    manage_resources.change(services, account_id, MCP, scopes=scopes, origin=CLI)
    client_id = world.client_id()
    wanted = {"scope": f"{ALL_SCOPES} reports:read", "scopes": f"{REAL_SCOPES} reports:read"}
    tokens = world.tokens(client_id, **wanted)
    assert "reports:read" in tokens["scope"].split()
    manage_scopes.change_scope(services, account_id, "reports:read", title="Read reports", acts=True, origin=CLI)
    assert world.account.scopes["reports:read"].title == "Read reports"
    assert "reports:read" in world.introspect(tokens["access_token"])["scope"]
    manage_scopes.change_scope(services, account_id, "reports:read", permission="jobs.run", origin=CLI)
    assert "reports:read" not in world.introspect(tokens["access_token"])["scope"]
    assert "reports:read" in world.tokens(client_id, **wanted)["scope"].split()
    with pytest.raises(Refused, match="can't be removed while the resource"):
        manage_scopes.remove(services, account_id, "reports:read", origin=CLI)
    manage_resources.change(services, account_id, MCP, scopes=scopes[:-1], origin=CLI)
    manage_scopes.remove(services, account_id, "reports:read", origin=CLI)
    assert "reports:read" not in world.account.scopes


def test_what_is_not_there_and_what_is_are_told(shared: World) -> None:
    with pytest.raises(NotFound, match="There is no scope 'nothing'"):
        manage_scopes.remove(shared.services, shared.account_id, "nothing", origin=CLI)
    with pytest.raises(AlreadyExists, match="jobs:run already"):
        manage_scopes.add(
            shared.services, shared.account_id, code="jobs:run", permission="jobs.run", **WORDS, acts=True, dynamic=True, origin=CLI
        )  # fmt: skip


def test_the_same_words_again_are_no_event(shared: World) -> None:
    scope = shared.account.scopes["jobs:run"]
    assert manage_scopes.change_scope(shared.services, shared.account_id, "jobs:run", title=f" {scope.title} ", origin=CLI) is None
