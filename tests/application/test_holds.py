from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from application import erase_member, holds
from domain.errors import InvalidInput, NotFound, Refused
from tests.support.oauth_world import CLI, World


def place(world: World, member_id: str | None = None, matter: str = "Case 17, Castillo") -> str:
    member = UUID(member_id) if member_id else None
    return holds.place(world.services, world.account_id, member_id=member, matter=matter, origin=CLI, actor_id=world.admin_id).hold_id


def release(world: World, hold_id: str) -> object:
    return holds.release(world.services, world.account_id, hold_id, origin=CLI)


def erase(world: World, member_id: str) -> object:
    return erase_member.erase(world.services, world.account_id, UUID(member_id), origin=CLI)


def test_a_hold_on_a_member_keeps_them_from_being_erased_until_it_is_released(shared: World) -> None:
    held, other = shared.member("Analyst"), shared.member("Analyst")
    hold_id = place(shared, held)
    with pytest.raises(Refused, match=f"Restricted.*{hold_id}"):
        erase(shared, held)
    assert erase(shared, other)
    assert release(shared, hold_id)
    assert erase(shared, held)


def test_a_hold_on_the_account_keeps_everybody(world: World) -> None:
    member_id = world.member("Analyst")
    first, second = place(world), place(world, member_id)
    release(world, second)
    with pytest.raises(Refused, match=first):
        erase(world, member_id)


def test_what_stands_is_told_with_its_matter(world: World) -> None:
    member_id = world.member("Analyst")
    mine, whole = place(world, member_id), place(world, matter="All  of\n2026")
    found = {one.hold_id: one for one in holds.standing(world.services, world.account_id)}
    assert found[mine].matter == "Case 17, Castillo"
    assert (found[whole].matter, found[whole].member_id, found[whole].by) == ("All of 2026", None, world.admin_id)
    assert [one.hold_id for one in holds.standing(world.services, world.account_id, world.admin_id)] == [whole]


def test_the_matter_goes_with_the_person(shared: World) -> None:
    member_id = shared.member("Analyst")
    release(shared, place(shared, member_id))
    erase(shared, member_id)
    with shared.app.views() as connection:
        states = connection.execute("SELECT state FROM events WHERE topic = 'ledger.hold_placed'").fetchall()
    assert states
    assert not any(b"Castillo" in bytes(state) for (state,) in states)


def test_what_is_not_there_is_refused_in_words(shared: World) -> None:
    member_id = shared.member("Analyst")
    with pytest.raises(NotFound):
        release(shared, "hold_000000000000")
    with pytest.raises(InvalidInput, match="matter"):
        place(shared, member_id, "  ")
    erase(shared, member_id)
    with pytest.raises(Refused, match="erased"):
        place(shared, member_id)


def test_a_hold_and_an_erasure_at_the_same_moment_never_both_succeed(shared: World) -> None:
    for _ in range(6):
        member_id, together = shared.member("Analyst"), Barrier(2)

        def at_once(deed: Any, member_id: str = member_id, together: Barrier = together) -> bool:
            together.wait()
            try:
                deed(shared, member_id)
            except Refused:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(at_once, (place, erase)))
        assert done.count(True) == 1
