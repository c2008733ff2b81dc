"""A sign-in that was under way while the password changed, or the person was deactivated, opens no session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from application import manage_members, sign_in
from application.services import Origin
from tests.support.oauth_world import CLI, World

EMAIL, OLD, NEW = "ada@jaffle.example", "correct horse battery", "quite another sentence"
BROWSER = Origin("ui", "203.0.113.7", "Firefox")


@pytest.fixture
def member_id(world: World) -> UUID:
    return manage_members.add_member(world.services, world.account_id, email=EMAIL, name="Ada", role="Analyst", password=OLD, origin=CLI).member_id


def meanwhile(world: World, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> sign_in.SignedIn | sign_in.SignInRefused:
    """Sign in with the old password, which is checked while something happens."""
    verify = world.services.passwords.verify

    def slowly(password: str, secret: str | None) -> bool:
        right = verify(password, secret)
        monkeypatch.setattr(world.services.passwords, "verify", verify)
        happens()
        return right

    monkeypatch.setattr(world.services.passwords, "verify", slowly)
    return sign_in.sign_in_with_password(world.services, world.account_id, EMAIL, OLD, BROWSER)


def test_the_old_password_opens_nothing_once_a_new_one_was_set(world: World, member_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    def change() -> None:
        manage_members.set_password(world.services, world.account_id, member_id, EMAIL, NEW, origin=CLI)

    assert isinstance(meanwhile(world, monkeypatch, change), sign_in.SignInRefused)
    assert world.services.store.tables().browser_sessions_of(world.account_id, str(member_id)) == []


def test_a_person_deactivated_meanwhile_is_not_signed_in(world: World, member_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    def deactivate() -> None:
        manage_members.deactivate(world.services, world.account_id, member_id, origin=CLI)

    assert isinstance(meanwhile(world, monkeypatch, deactivate), sign_in.SignInRefused)
    assert world.services.store.tables().browser_sessions_of(world.account_id, str(member_id)) == []


def test_another_change_meanwhile_does_not_hinder(world: World, member_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    def permit() -> None:
        manage_members.permit(world.services, world.account_id, member_id, "project.develop", origin=CLI)

    assert isinstance(meanwhile(world, monkeypatch, permit), sign_in.SignedIn)
