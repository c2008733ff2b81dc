from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest

from application import erase_member, manage_members
from application.lookups import member_of
from domain.errors import InvalidInput, NotFound, Refused
from tests.support.oauth_world import CLI, World


def erase(world: World, member_id: str, **more: Any) -> object:
    return erase_member.erase(world.services, world.account_id, UUID(member_id), origin=CLI, **more)


def rows(world: World, sql: str, *given: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(world.database.web_dsn) as connection:
        return connection.execute(sql.encode(), given).fetchall()


def test_an_erased_member_keeps_neither_key_nor_login_nor_session(shared: World) -> None:
    member_id = shared.member("Analyst")
    email = shared.services.store.opened(member_of(shared.services, shared.account_id, member_id).email, f"{member_id}:1")
    assert email
    assert str(manage_members.find_member(shared.services, shared.account_id, email)) == member_id
    client_id = shared.client_id()
    tokens = shared.tokens(client_id, member_id=member_id)
    assert erase(shared, member_id, request="DSR-2026/14", actor_id=shared.admin_id)
    for sql in ("SELECT FROM subjects WHERE subject = %s", "SELECT FROM subject_keys WHERE subject = %s", "SELECT FROM logins WHERE member_id = %s"):
        assert not rows(shared, sql, member_id)
    assert shared.refresh(client_id, tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert not shared.introspect(tokens["access_token"])["active"]
    with pytest.raises(NotFound):
        manage_members.find_member(shared.services, shared.account_id, email)


def test_the_event_says_which_keys_went_and_why_and_nothing_of_the_person(shared: World) -> None:
    member_id = shared.member()
    kids = [kid for (kid,) in rows(shared, "SELECT kid FROM subject_keys WHERE subject = %s", member_id)]
    erase(shared, member_id, request="DSR-2026/14", actor_id=shared.admin_id)
    ((state,),) = rows(shared, "SELECT state FROM events WHERE originator_id = %s AND topic = 'member.erased'", member_id)
    assert kids
    assert all(kid in state.decode() for kid in [*kids, "DSR-2026/14", shared.admin_id])
    assert "jaffle.example" not in state.decode()


def test_erasing_again_changes_nothing(shared: World) -> None:
    member_id = shared.member("Analyst")
    assert erase(shared, member_id)
    assert erase(shared, member_id) is None
    member = member_of(shared.services, shared.account_id, member_id)
    assert member.erased
    assert not member.active
    with pytest.raises(Refused, match="erased"):
        manage_members.reactivate(shared.services, shared.account_id, member.id, origin=CLI)


def test_the_only_admin_is_not_erased(world: World) -> None:
    with pytest.raises(Refused, match="only account admin"):
        erase(world, world.admin_id)
    assert rows(world, "SELECT FROM subject_keys WHERE subject = %s", world.admin_id)


def test_somebody_of_another_account_or_nobody_is_not_found(shared: World) -> None:
    with pytest.raises(NotFound):
        erase(shared, "0a9c1c5e-6a53-4c7f-9f0e-1d9a9a3a7b21")


@pytest.mark.parametrize("request_", ["maya@jaffle.example", "Maya Castillo", "-", "x" * 65])
def test_a_reference_that_could_name_somebody_is_refused(shared: World, request_: str) -> None:
    member_id = shared.member()
    with pytest.raises(InvalidInput, match="ticket"):
        erase(shared, member_id, request=request_)
