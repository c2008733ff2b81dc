"""Race or theft: each detection told from both uses of the token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.infrastructure.past.questions_history import History, told
from tests.support.oauth_world import World
from tests.support.postgres import Database

HERE, THERE = "203.0.113.5", "198.51.100.7"


@pytest.fixture
def history(database: Database) -> Iterator[History]:
    with told(database) as made:
        yield made


def refresh(world: World, client_id: str, token: str, address: str, program: str) -> Any:
    form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token}
    return world.http.post("/oauth/token", data=form, headers={"User-Agent": program}, environ_base={"REMOTE_ADDR": address})


def came_back(history: History, *, seconds: float, address: str, program: str) -> Any:
    """A token that one program at one address spent twice in its grace, and a third time after it."""
    world, client = history.world, history.clients["helper"]
    tokens = history.session("again", "helper", "tom", scopes="account:read", keep_alive=True)
    first = refresh(world, client, tokens["refresh_token"], HERE, "editor/1.2").get_json()
    assert refresh(world, client, tokens["refresh_token"], HERE, "editor/1.2").status_code == 200
    assert refresh(world, client, first["refresh_token"], HERE, "editor/1.2").status_code == 200
    world.later(seconds=seconds)
    assert refresh(world, client, tokens["refresh_token"], address, program).status_code == 400
    history.mark("back")
    (line,) = history.ask("reuse", grant=history.grants["again"]).lines
    return line


def test_another_program_elsewhere_looks_like_a_theft(history: History) -> None:
    line = came_back(history, seconds=3 * 3600, address=THERE, program="curl/8.1")
    assert (line.facts["looks_like"], line.facts["first_address"], line.facts["again_address"]) == ("theft", HERE, THERE)
    grant = history.grants["again"]
    assert line.because == {
        "detected": (history.place("grant.reuse_detected", grant),), "spent": (history.place("grant.tokens_refreshed", grant, 0),),
        "in grace": (history.place("grant.refresh_replayed", grant),),
    }  # fmt: skip
    assert line.facts["told"] == (
        f"Refresh token 1 was spent from {HERE} (editor/1.2) and came again from {THERE} (curl/8.1), 3 hours later, "
        "when token 3 was live (2 rotations on). "
        "In between it was answered within the grace. Another program at another address had the token: treat it as stolen. The session is over; "
        "look where the token was kept."
    )
    assert history.ask("reuse").says == "1 spent token came back; 1 of them from elsewhere."


def test_the_same_program_at_once_looks_like_a_race(history: History) -> None:
    line = came_back(history, seconds=90, address=HERE, program="editor/1.2")
    assert line.facts["looks_like"] == "race"
    assert "most likely it lost the answer or ran twice" in line.facts["told"]
    assert 89 < line.facts["seconds"] < 100


@pytest.mark.parametrize(
    ("seconds", "address", "program"), [(90, THERE, "editor/1.2"), (90, HERE, "curl/8.1"), (86_400, HERE, "editor/1.2"), (90, THERE, "")]
)
def test_what_can_not_be_told_is_said_so(history: History, seconds: float, address: str, program: str) -> None:
    assert came_back(history, seconds=seconds, address=address, program=program).facts["looks_like"] == "unclear"


def test_nothing_came_back(history: History) -> None:
    assert history.ask("reuse").says == "No spent token came back."
