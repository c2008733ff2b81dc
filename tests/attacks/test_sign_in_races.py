"""A sign-in that was under way while the password changed, or the person was deactivated, opens no session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from application import manage_members, sign_in
from application.browser_sessions import SignedIn
from application.identity_ports import Identity
from application.retrying import until_settled
from application.services import Origin
from application.sso_members import NotLetIn, admit, unlink
from domain.auth_provider import AuthProvider, change_provider
from tests.support.oauth_world import CLI, World

ISSUER = "https://idp.example"
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


@pytest.fixture
def ada(world: World, member_id: UUID) -> Identity:
    """The provider's word for the member, who is linked to it."""
    account = world.account.copy()
    settings = AuthProvider(issuer=ISSUER, client_id="grantbook", enabled=True, domains=("jaffle.example",))
    change_provider(account, settings, world.services.context(world.account_id, CLI))
    world.services.store.append([account])
    person = Identity(ISSUER, "subject-1", EMAIL, email_verified=True, name="Ada", groups=None, authenticated_at=None)
    assert let_in(world, person).member_id == member_id
    return person


def let_in(world: World, person: Identity) -> SignedIn:
    return until_settled(lambda: admit(world.services, world.account_id, BROWSER, person, authenticated_at=world.services.clock()))


def test_a_link_that_an_admin_cuts_meanwhile_lets_nobody_in(world: World, ada: Identity, member_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds the account at the provider now may be somebody else: without an address of the account they stay outside."""
    stranger = replace(ada, email="mallory@elsewhere.example")
    load = world.services.store.load
    cut: list[bool] = []

    def slowly(kind: Any, stream_id: UUID) -> Any:
        if stream_id == member_id and not cut:
            cut.append(True)
            unlink(world.services, world.account_id, member_id, origin=CLI, actor_id=world.admin_id)
        return load(kind, stream_id)

    monkeypatch.setattr(world.services.store, "load", slowly)
    with pytest.raises(NotLetIn):
        let_in(world, stranger)
    assert cut
