"""Whose a typed reason is: the member's whom it is about, or else the one's who typed it."""

from __future__ import annotations

from domain.base import Personal
from tests.domain.given import a_world

ADMIN = "0a9c1c5e-6a53-4c7f-9f0e-1d9a9a3a7b21"


def _reason(stream: object) -> Personal:
    found = stream.pending_events[-1].reason  # type: ignore[attr-defined]  # an event that holds one
    assert isinstance(found, Personal)
    return found


def test_a_reason_about_a_member_is_sealed_under_that_member() -> None:
    world = a_world()
    context = world.context._replace(actor_id=ADMIN)
    world.grant.revoke("admin", context, "Lost laptop")
    world.consent.withdraw(context, "Lost laptop")
    world.member.deactivate(context, "Left")
    assert {_reason(stream).subject for stream in (world.grant, world.consent, world.member)} == {str(world.member.id)}
    world.member.reactivate(context, "Came back")
    assert _reason(world.member) == Personal(str(world.member.id), "Came back")


def test_a_reason_about_an_app_is_sealed_under_who_typed_it() -> None:
    world = a_world()
    world.account.block_app(world.client.fingerprint, world.client.name, world.context._replace(actor_id=ADMIN), "Too greedy")
    assert _reason(world.account) == Personal(ADMIN, "Too greedy")
    world.client.remove("admin", world.context, "Not used")
    assert _reason(world.client) == Personal(f"account:{world.account.id}", "Not used")
