from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from application import expire_keys, holds, manage_members
from application.services import Origin
from application.sign_in import SignedIn, sign_in_with_password
from infrastructure.erasure.expiry import Expiry
from projections.comparing.comparison import Difference
from projections.events import PersonalReader
from projections.registry import PROJECTIONS
from projections.verify import verify
from tests.infrastructure.erasure.given import leading, shown
from tests.support.oauth_world import CLI, World

ADDRESS, PASSWORD = "198.51.100.177", "correct horse battery"


def reader(world: World) -> PersonalReader:
    return PersonalReader(world.app.keyring.open, world.app.keyring.prefetch)


def round_of(world: World) -> int:
    return Expiry(world.app, lambda: reader(world)).round()


def keep(world: World, months: int | None) -> object:
    return expire_keys.change_retention(world.services, world.account_id, months, origin=CLI)


def somebody(world: World, email: str = "maya@jaffle.example") -> str:
    """A member who has signed in from an address."""
    added = manage_members.add_member(world.services, world.account_id, email=email, name="Maya", role="Analyst", password=PASSWORD, origin=CLI)
    signed_in = sign_in_with_password(world.services, world.account_id, email, PASSWORD, Origin("ui", ADDRESS, "Firefox"))
    assert isinstance(signed_in, SignedIn)
    return str(added.member_id)


def seen(world: World, member_id: str) -> tuple[Any, list[Any]]:
    """The name, and the addresses of sign-ins, as pages show them."""
    shown(world)
    with world.app.views() as connection:
        names = connection.execute("SELECT name FROM views.members WHERE member_id = %s", (member_id,)).fetchone()
        log = "SELECT actor_ip FROM views.audit_log WHERE actor_id = %s AND kind = 'login.password.succeeded' ORDER BY position"
        return names and names[0], [row[0] for row in connection.execute(log, (member_id,)).fetchall()]


def test_addresses_of_long_ago_go_and_names_of_people_who_are_here_stay(world: World) -> None:
    member_id = somebody(world)
    keep(world, 12)
    assert seen(world, member_id) == ("Maya", [ADDRESS])
    assert round_of(world) == 0
    world.later(days=500)
    assert round_of(world) > 0
    assert seen(world, member_id) == ("Maya", [None])
    assert round_of(world) == 0
    with leading(world) as connection, leading(world) as snapshot:
        for projection in PROJECTIONS:
            assert not [each for each in verify(connection, snapshot, projection, reader(world)) if isinstance(each, Difference)], projection.name
    with world.app.views() as connection:
        ((state,),) = connection.execute("SELECT convert_from(state, 'UTF8')::json FROM events WHERE topic = 'ledger.keys_expired'").fetchall()
    assert state["keys"] >= 2


def test_nothing_expires_unless_a_number_of_months_is_set(world: World) -> None:
    member_id = somebody(world)
    world.later(days=5000)
    assert round_of(world) == 0
    assert seen(world, member_id) == ("Maya", [ADDRESS])
    assert keep(world, 12)
    assert keep(world, 12) is None


@pytest.mark.parametrize("everybody", [True, False])
def test_a_hold_keeps_what_it_covers(world: World, everybody: bool) -> None:
    held, other = somebody(world), somebody(world, "other@jaffle.example")
    keep(world, 3)
    placed = holds.place(world.services, world.account_id, member_id=None if everybody else UUID(held), matter="Case 17", origin=CLI)
    world.later(days=500)
    round_of(world)
    assert seen(world, held)[1] == [ADDRESS]
    assert seen(world, other)[1] == [ADDRESS if everybody else None]
    assert holds.standing(world.services, world.account_id)[0].matter == "Case 17"
    holds.release(world.services, world.account_id, placed.hold_id, origin=CLI)
    round_of(world)
    assert seen(world, held)[1] == [None]


def test_after_a_crash_in_between_the_views_are_built_anew_by_the_next_round(world: World) -> None:
    member_id = somebody(world)
    keep(world, 3)
    world.later(days=500)
    assert expire_keys.expire(world.services, world.account_id) > 0
    assert seen(world, member_id)[1] == [ADDRESS], "the leader died here"
    assert round_of(world) == 0
    assert seen(world, member_id)[1] == [None]


@pytest.mark.parametrize(
    ("now", "months", "before"),
    [("2026-11-29", 3, "2026-08-01"), ("2026-01-01", 1, "2025-12-01"), ("2026-12-31", 12, "2025-12-01"), ("2026-03-05", 14, "2025-01-01")],
)
def test_months_are_counted_from_the_first(now: str, months: int, before: str) -> None:
    assert expire_keys.cutoff(datetime.fromisoformat(now).replace(tzinfo=UTC), months) == date.fromisoformat(before)
