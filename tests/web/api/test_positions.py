from __future__ import annotations

import pytest

from tests.web.api.conftest import Caller, Server
from web.api import positions


def test_a_read_shows_the_write_whose_position_it_names(admin: Caller) -> None:
    for number in range(5):
        made = admin.post("/members", {"email": f"seen{number}@jaffle.example", "name": "S", "role": "Member"})
        assert made.headers["Grantbook-Position"].isdigit()
        listed = admin.seen("/members?limit=200", made)["data"]
        assert made.get_json()["member_id"] in {member["member_id"] for member in listed}


def test_every_read_says_what_the_views_hold_and_how_far_they_lag(server: Server, admin: Caller) -> None:
    server.settled()
    response = admin.get("/members")
    assert int(response.headers["Grantbook-Position"]) > 0
    assert float(response.headers["Grantbook-Lag"]) >= 0


def test_an_opaque_token_stands_for_a_position_that_is_not_known_yet(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = server.caller()
    with monkeypatch.context() as patched:
        patched.setattr(positions, "PATIENCE", -1.0)
        patched.setattr(type(server.world.services.store), "position_of", lambda *_: None)
        made = admin.post("/projects", {"name": "Later"})
    assert made.headers["Grantbook-Position"].startswith("ev_")
    assert admin.seen("/audit/entries?event_type=project.added", made)["data"][0]["event_context"]["name"] == "Later"


def test_a_position_that_the_views_do_not_reach_is_answered_with_503_and_when_to_ask_again(admin: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "PATIENCE", 0.05)
    response = admin.get("/members?min_position=999999999")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert response.get_json()["code"] == "not-yet-visible"


@pytest.mark.parametrize("wrong", ["-1", "x", "1.5", "ev_", "ev_" + "A" * 31, "9" * 19, "ev_" + "_" * 32, "1%0A"])
def test_what_is_no_position_is_refused(admin: Caller, wrong: str) -> None:
    response = admin.get(f"/members?min_position={wrong}")
    assert response.status_code == 422
    assert response.get_json()["errors"][0]["parameter"] == "min_position"
