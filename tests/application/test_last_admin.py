from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from application import manage_members, sso_members
from application.identity_ports import Identity
from application.lookups import member_of
from domain.auth_provider import AuthProvider
from domain.errors import Refused
from infrastructure.store.tables import PostgresTables
from tests.support.oauth_world import CLI, ISSUER, OAUTH, World

ONLY = "This person is the only account admin; make somebody else one first."


def demote(world: World, member_id: str, **by: Any) -> object:
    return manage_members.change_role(world.services, world.account_id, UUID(member_id), "Member", origin=CLI, **by)


def forbid(world: World, member_id: str, **by: Any) -> object:
    return manage_members.forbid(world.services, world.account_id, UUID(member_id), "account.manage", origin=CLI, **by)


def deactivate(world: World, member_id: str, **by: Any) -> object:
    return manage_members.deactivate(world.services, world.account_id, UUID(member_id), origin=CLI, **by)


DEEDS = [demote, forbid, deactivate]


def manages(world: World, member_id: str) -> bool:
    return member_of(world.services, world.account_id, member_id).holds("account.manage")


@pytest.mark.parametrize("deed", DEEDS)
def test_the_only_admin_is_neither_demoted_nor_deactivated(shared: World, deed: Callable[..., object]) -> None:
    for by in ({}, {"actor_id": shared.admin_id}):
        with pytest.raises(Refused, match=ONLY):
            deed(shared, shared.admin_id, **by)
    assert manages(shared, shared.admin_id)


@pytest.mark.parametrize("deed", DEEDS)
def test_an_admin_may_go_while_another_stays(world: World, deed: Callable[..., object]) -> None:
    second = world.member()
    assert deed(world, world.admin_id, actor_id=world.admin_id)
    assert not manages(world, world.admin_id)
    with pytest.raises(Refused, match=ONLY):
        deed(world, second)


def test_somebody_deactivated_or_without_the_permission_is_no_other_admin(world: World) -> None:
    gone, viewer = world.member(), world.member("Account Viewer")
    assert deactivate(world, gone)
    with pytest.raises(Refused, match=ONLY):
        deactivate(world, world.admin_id, actor_id=viewer)
    manage_members.permit(world.services, world.account_id, UUID(viewer), "account.manage", origin=CLI)
    assert deactivate(world, world.admin_id)


def test_what_leaves_the_only_admin_one_is_allowed(world: World) -> None:
    assert manage_members.change_role(world.services, world.account_id, UUID(world.admin_id), "Account Admin", origin=CLI) is None
    assert manage_members.forbid(world.services, world.account_id, UUID(world.admin_id), "jobs.run", origin=CLI)
    assert manage_members.change_role(world.services, world.account_id, UUID(world.admin_id), "Account Admin", origin=CLI)
    assert manages(world, world.admin_id)


def test_groups_of_a_provider_take_nothing_from_the_only_admin(world: World) -> None:
    provider, second = AuthProvider(issuer=ISSUER, group_roles=(("data", "Developer"),)), world.member()
    identity = Identity(ISSUER, "s", None, email_verified=False, name=None, groups=("data",), authenticated_at=None)

    def signs_in(member_id: str) -> bool:
        member = member_of(world.services, world.account_id, member_id)
        return sso_members._follow_groups(world.services, world.account_id, member, provider, identity, OAUTH)

    assert signs_in(second)
    assert not signs_in(world.admin_id)
    assert manages(world, world.admin_id)


def test_two_admins_who_end_each_other_at_the_same_moment_are_never_both_gone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    second, both_stored = world.member(), Barrier(2, timeout=5)
    look = PostgresTables.still_at
    met = set[UUID]()

    def after_both_stored(self: PostgresTables, account_id: str, member_id: UUID, version: int) -> bool:
        """Each append has its event stored, uncommitted and unseen by the other, before either looks."""
        if member_id not in met:
            met.add(member_id)
            both_stored.wait()
        found = look(self, account_id, member_id, version)
        time.sleep(0.2)  # time for the other to look too, before this one commits, if nothing keeps it from that
        return found

    monkeypatch.setattr(PostgresTables, "still_at", after_both_stored)

    def end(whom: str, by: str) -> str:
        try:
            deactivate(world, whom, actor_id=by)
        except Refused as refused:
            return refused.message
        return ""

    with ThreadPoolExecutor(2) as pool:
        said = [f.result() for f in [pool.submit(end, world.admin_id, second), pool.submit(end, second, world.admin_id)]]
    assert sorted(said) == ["", ONLY]
    assert sorted((manages(world, world.admin_id), manages(world, second))) == [False, True]
