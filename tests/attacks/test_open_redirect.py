"""Anybody can register a redirect URI, so nobody is sent to one before signing in, an error or not (RFC 9700 4.11.2)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.support.oauth_world import CALLBACK, CHALLENGE, World

EVIL = "https://evil.example/phish"


def asked(client_id: str, **changes: Any) -> dict[str, Any]:
    sound = {"response_type": "code", "client_id": client_id, "code_challenge": CHALLENGE, "code_challenge_method": "S256", "state": "s"}
    return {**sound, "redirect_uri": EVIL, **changes}


@pytest.mark.parametrize(
    "changes", [{"prompt": "none"}, {"scope": "nonsense"}, {"response_type": "token"}, {"code_challenge": ""}, {"resource": "x"}]
)
def test_an_error_is_told_to_the_client_only_after_sign_in(shared: World, changes: dict[str, str]) -> None:
    client_id = shared.client_id(redirect_uris=[EVIL])
    for answer in (
        shared.http.get("/oauth/authorize", query_string=asked(client_id, **changes)),
        shared.http.post("/oauth/authorize", data=asked(client_id, **changes)),
    ):
        where = urlsplit(answer.headers["Location"])
        assert (answer.status_code, where.netloc, where.path) == (303, "", "/sign-in")
        again = parse_qs(where.query)["next"][0]
        told = shared.browser.get(again)
        assert told.headers["Location"].startswith(f"{EVIL}?error=")


def test_an_error_too_long_to_come_back_to_is_told_on_a_page(shared: World) -> None:
    client_id = shared.client_id(redirect_uris=[EVIL])
    answer = shared.http.get("/oauth/authorize", query_string=asked(client_id, scope="nonsense", state="s" * 3000))
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert EVIL not in answer.text


def test_signing_in_keeps_the_state_byte_by_byte(shared: World) -> None:
    client_id, state = shared.client_id(), "a b+c%20&d=é\"'<>"
    answer = shared.http.get(f"/oauth/authorize?{urlencode(asked(client_id, redirect_uri=CALLBACK, scope='nonsense', state=state))}")
    again = parse_qs(urlsplit(answer.headers["Location"]).query)["next"][0]
    assert parse_qs(urlsplit(shared.browser.get(again).headers["Location"]).query)["state"] == [state]
