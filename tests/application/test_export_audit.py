from __future__ import annotations

from typing import Any

import pytest

from application.export_audit import record_export
from domain.ids import ledger_stream
from tests.support.oauth_world import CLI, World

APP, STREAM = "app_" + "a" * 32, "b1a157f6-b1f8-5a05-9f2c-e3bbfdc412dc"


def recorded(world: World, **filters: str) -> dict[str, str]:
    record_export(world.services, world.account_id, format="csv", filter=filters, rows=1, position=9, origin=CLI, actor_id=world.admin_id)
    event: Any = world.events(ledger_stream(world.account_id))[-1]
    return dict(event.filter)


@pytest.mark.parametrize("client", [APP, STREAM, "https://client.example/metadata"])
def test_an_export_of_one_app_is_recorded_with_its_id(shared: World, client: str) -> None:
    assert recorded(shared, client=client, event_type="login.password.failed") == {"client": client, "event_type": "login.password.failed"}


@pytest.mark.parametrize("typed", ["jane.doe@jaffle.example", "Jane Doe", "https://jane@doe.example/", "x" * 5000])
def test_what_was_typed_and_names_no_app_is_not_kept_for_ever(shared: World, typed: str) -> None:
    assert recorded(shared, client=typed) == {"client": "unknown"}
