"""What a 403 says about a missing scope: asking for it only where asking can help."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain import given
from web.challenges import lacking

ASK = "Ask for it in a new authorization request."


def test_a_scope_that_was_unchecked_is_to_be_asked_for() -> None:
    assert lacking(given.a_world(scopes=("projects:query",)).standing, "jobs:run") == f"The user did not allow jobs:run for this app. {ASK}"


def test_an_app_that_registered_for_less_is_told_to_register_anew_and_not_to_ask() -> None:
    said = lacking(given.a_world(scopes=("projects:query",), scope="projects:query account:read").standing, "jobs:run")
    assert said == "This app registered without jobs:run and can't ask for it: it has to register anew, with jobs:run among its scopes."


@pytest.mark.parametrize("registered", [{}, {"scope": "projects:query"}])
def test_what_no_app_that_registers_by_itself_may_have_is_for_an_admin_to_change(registered: dict[str, Any]) -> None:
    world = given.a_world(role="Account Admin", scopes=("projects:query",), **registered)
    said = lacking(world.standing, "account:manage")
    assert said == "Apps that register by themselves can't ask for account:manage here; an admin of the account can add this app by hand."


def test_an_app_that_an_admin_added_without_the_scope_is_for_an_admin_to_add_anew() -> None:
    world = given.a_world(scopes=("projects:query",), scope="projects:query")
    world.client.registration = "manual"
    assert lacking(world.standing, "jobs:run") == "An admin added this app without jobs:run; an admin of the account can add it anew."
