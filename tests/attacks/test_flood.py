"""Requests that anybody may send fill no table without a limit."""

from __future__ import annotations

from urllib.parse import urlencode

import psycopg

from tests.support.oauth_world import CALLBACK, CHALLENGE, World


def waiting(world: World) -> int:
    with psycopg.connect(world.database.web_dsn) as conn:
        (count,) = conn.execute("SELECT count(*) FROM authorization_requests").fetchone() or (0,)
        return int(count)


def test_one_address_leaves_only_so_many_authorization_requests_behind(world: World) -> None:
    world.limit(authorizations_per_address=3)
    asked = {"response_type": "code", "client_id": world.client_id(), "redirect_uri": CALLBACK, "code_challenge": CHALLENGE}
    url = f"/oauth/authorize?{urlencode({**asked, 'code_challenge_method': 'S256'})}"

    def begin(address: str) -> int:
        return world.http.get(url, environ_base={"REMOTE_ADDR": address}).status_code

    assert [begin(f"2001:db8::{n}") for n in range(6)] == [303, 303, 303, 429, 429, 429]
    assert waiting(world) == 3
    assert begin("203.0.113.9") == 303
    assert [begin("127.0.0.1") for _ in range(6)] == [303] * 6
