from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from application import manage_members, manage_projects, sign_in
from application.lookups import member_of
from application.services import Origin
from domain.errors import AlreadyExists, InvalidInput, NotFound
from domain.member import Member
from tests.support.oauth_world import CLI, World

_NUMBERS = iter(range(1000))


@pytest.fixture
def added(shared: World) -> tuple[str, UUID]:
    email = f"p{next(_NUMBERS)}@jaffle.example"
    facts: dict[str, Any] = {"email": email, "name": "Pat", "role": "Developer", "projects": ["Sales"]}
    return email, manage_members.add_member(shared.services, shared.account_id, origin=CLI, **facts).member_id


def member(world: World, member_id: UUID) -> Member:
    return member_of(world.services, world.account_id, member_id)


def test_a_member_holds_the_role_in_the_named_projects_only(shared: World, added: tuple[str, UUID]) -> None:
    found, projects = member(shared, added[1]), shared.projects
    assert found.holds("project.develop", projects["Sales"])
    assert not found.holds("project.develop", projects["Marketing"])
    assert found.holds("account.read")


def test_name_and_address_stand_sealed_in_the_event(shared: World, added: tuple[str, UUID]) -> None:
    rows = shared.services.store.tables()._run(  # type: ignore[attr-defined]  # the stored bytes
        "SELECT state FROM events WHERE originator_id = %s", added[1]
    )
    assert b"Pat" not in rows[0][0]
    assert added[0].encode() not in rows[0][0]


def test_an_address_is_taken_once_however_it_is_written(shared: World, added: tuple[str, UUID]) -> None:
    with pytest.raises(AlreadyExists, match="already"):
        manage_members.add_member(shared.services, shared.account_id, email=added[0].upper(), name="Other", role="Member", origin=CLI)
    assert manage_members.find_member(shared.services, shared.account_id, added[0].upper()) == added[1]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"role": "Owner"}, "role"), ({"name": " "}, "name"), ({"email": "x"}, "email"), ({"password": "short"}, "password")],
)
def test_a_wrong_value_names_its_field(shared: World, wrong: dict[str, str], field: str) -> None:
    facts: dict[str, Any] = {"email": "new@jaffle.example", "name": "N", "role": "Member", **wrong}
    with pytest.raises(InvalidInput) as refused:
        manage_members.add_member(shared.services, shared.account_id, origin=CLI, **facts)
    assert refused.value.field == field


def test_an_unknown_project_is_named_with_those_there_are(shared: World) -> None:
    with pytest.raises(NotFound, match="Sales, Marketing"):
        manage_members.add_member(
            shared.services, shared.account_id, email="n@jaffle.example", name="N", role="Analyst", projects=["Nope"], origin=CLI
        )


def test_permissions_are_granted_and_taken_by_project(shared: World, added: tuple[str, UUID]) -> None:
    services, account_id, projects = shared.services, shared.account_id, shared.projects
    assert manage_members.permit(services, account_id, added[1], "jobs.run", projects=["Marketing"], origin=CLI)
    assert manage_members.permit(services, account_id, added[1], "jobs.run", projects=["Marketing"], origin=CLI) is None
    assert member(shared, added[1]).holds("jobs.run", projects["Marketing"])
    assert manage_members.forbid(services, account_id, added[1], "jobs.run", origin=CLI)
    assert not member(shared, added[1]).holds("jobs.run")
    with pytest.raises(InvalidInput, match="no permission"):
        manage_members.permit(services, account_id, added[1], "fly", origin=CLI)
    with pytest.raises(InvalidInput, match="never held per project"):
        manage_members.permit(services, account_id, added[1], "audit.read", projects=["Sales"], origin=CLI)


def test_a_role_is_replaced(shared: World, added: tuple[str, UUID]) -> None:
    manage_members.change_role(shared.services, shared.account_id, added[1], "Account Viewer", origin=CLI)
    found = member(shared, added[1])
    assert found.holds("audit.read")
    assert not found.holds("project.develop")


def test_a_member_is_deactivated_once_and_reactivated_once(shared: World, added: tuple[str, UUID]) -> None:
    services, account_id = shared.services, shared.account_id
    assert manage_members.deactivate(services, account_id, added[1], origin=CLI, reason="left")
    assert manage_members.deactivate(services, account_id, added[1], origin=CLI) is None
    assert not member(shared, added[1]).holds("account.read")
    assert manage_members.reactivate(services, account_id, added[1], origin=CLI)
    assert manage_members.reactivate(services, account_id, added[1], origin=CLI) is None


def test_a_new_password_ends_the_browser_sessions(shared: World, added: tuple[str, UUID]) -> None:
    services, account_id, (email, member_id) = shared.services, shared.account_id, added
    manage_members.set_password(services, account_id, member_id, email, "the first pass phrase", origin=CLI)
    first = sign_in.sign_in_with_password(services, account_id, email, "the first pass phrase", Origin("ui", "203.0.113.7"))
    assert isinstance(first, sign_in.SignedIn)
    manage_members.set_password(services, account_id, member_id, email, "the second pass phrase", origin=CLI)
    assert services.store.tables().browser_sessions_of(account_id, str(member_id)) == []
    again = sign_in.sign_in_with_password(services, account_id, email, "the first pass phrase", Origin("ui", "203.0.113.7"))
    assert isinstance(again, sign_in.SignInRefused)


def test_a_member_of_another_account_is_not_found(shared: World, added: tuple[str, UUID]) -> None:
    with pytest.raises(NotFound):
        manage_members.deactivate(shared.services, str(uuid4()), added[1], origin=CLI)
    with pytest.raises(NotFound):
        manage_members.find_member(shared.services, shared.account_id, "nobody@jaffle.example")


def test_a_deactivated_member_loses_every_session_for_good(shared: World, added: tuple[str, UUID]) -> None:
    client_id = shared.client_id()
    tokens = shared.tokens(client_id, str(added[1]))
    manage_members.deactivate(shared.services, shared.account_id, added[1], origin=CLI)
    assert shared.refresh(client_id, tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    manage_members.reactivate(shared.services, shared.account_id, added[1], origin=CLI)
    assert shared.refresh(client_id, tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert shared.introspect(tokens["access_token"]) == {"active": False}


def test_a_removed_project_is_out_of_reach_at_once(world: World) -> None:
    tokens = world.tokens(world.client_id(), world.member("Analyst"))
    assert world.projects["Sales"] in str(world.introspect(tokens["access_token"]))
    manage_projects.remove(world.services, world.account_id, "Sales", origin=CLI)
    found = world.introspect(tokens["access_token"])
    assert found["active"]
    assert world.projects["Sales"] not in str(found)
