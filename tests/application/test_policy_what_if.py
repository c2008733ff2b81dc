from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from application.client_metadata import RegistrationError
from application.policy_what_if import RegisteredApp, what_if
from application.register_client import register_dynamic
from domain.errors import InvalidInput
from tests.support.oauth_world import OAUTH, World

SINCE = datetime(2026, 8, 1, tzinfo=UTC)


def app(name: str, redirect_uri: str, *people: str, approved: bool = False, **metadata: Any) -> RegisteredApp:
    facts = {"client_name": name, "redirect_uris": [redirect_uri], **metadata}
    return RegisteredApp(f"s-{name}", f"app_{name}", name, facts, SINCE, approved, frozenset(people))


CLAUDE = app("Claude", "https://claude.ai/api/mcp/auth_callback", "a", "b")
CURSOR = app("Cursor", "cursor://anysphere/callback", "b", "c", "d", software_id="cursor-1")
LOCAL = app("Local", "http://127.0.0.1:4711/cb", approved=True, scope="jobs:run")
APPS = [CLAUDE, CURSOR, LOCAL]


@pytest.mark.parametrize(
    ("changes", "refused", "people", "waiting"),
    [
        ({}, [], 0, 0),
        ({"registration": "off"}, ["Cursor", "Claude", "Local"], 4, 0),
        ({"registration": "approval"}, [], 0, 2),
        ({"registration": "allow-list"}, ["Cursor", "Claude", "Local"], 4, 0),
        ({"registration": "allow-list", "allowed_redirect_hosts": "claude.ai,127.0.0.1"}, ["Cursor"], 3, 0),
        ({"registration": "allow-list", "allowed_redirect_hosts": "claude.ai cursor:"}, ["Local"], 0, 0),
        ({"registration": "allow-list", "allowed_software_ids": "cursor-1"}, ["Claude", "Local"], 2, 0),
        ({"dynamic_scopes": "projects:query"}, ["Local"], 0, 0),
    ],
)
def test_another_policy_is_judged_by_what_registered(shared: World, changes: dict[str, str], refused: list[str], people: int, waiting: int) -> None:
    before = shared.account.version
    found = what_if(shared.services, shared.account_id, changes, APPS, SINCE)
    assert (found.apps, [one.app.name for one in found.refused], found.people, found.waiting) == (3, refused, people, waiting)
    assert shared.account.version == before


def test_it_says_what_a_registration_would_have_been_told(world: World) -> None:
    changes = {"registration": "allow-list", "allowed_redirect_hosts": "claude.ai"}
    found = what_if(world.services, world.account_id, changes, APPS, SINCE)
    world.policy(**changes)
    for one in found.refused:
        with pytest.raises(RegistrationError) as told:
            register_dynamic(world.services, world.account_id, one.app.metadata, OAUTH)
        assert one.why == told.value.message
    register_dynamic(world.services, world.account_id, CLAUDE.metadata, OAUTH)


def test_it_is_about_the_registration_policy_alone(shared: World) -> None:
    with pytest.raises(InvalidInput, match="no setting of the registration policy"):
        what_if(shared.services, shared.account_id, {"idle_window": "1d"}, APPS, SINCE)
    with pytest.raises(InvalidInput, match="registration is one of"):
        what_if(shared.services, shared.account_id, {"registration": "maybe"}, APPS, SINCE)
