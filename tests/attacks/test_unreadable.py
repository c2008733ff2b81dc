"""Odd bytes where nobody looks for them: in a Basic header, inside a nested URL, in the Host header. Refused, never a 500."""

from __future__ import annotations

import base64

import pytest

from tests.support.oauth_world import World

HOSTS = ["x" * 5000, "[", "[::1", "a:b:c", "localhost:99999999", "\xff.example", ".", "a..b", "x" * 64 + ".example"]
REQUEST_IDS = ["%00" + "a" * 24, "a" * 30 + "%00", "%c3%a9" * 20, "%ff" * 30, "'" * 30, "%0a" * 30]


@pytest.mark.parametrize("pair", [b"a\0b:c", b"a%00b:c", b"a:c%00", b"\0:\0", b"%ed%a0%80:c", b":c", b"a:", b"\xff:c"])
@pytest.mark.parametrize("path", ["/oauth/introspect", "/oauth/token", "/oauth/revoke"])
def test_an_odd_basic_header_is_an_unknown_client(shared: World, path: str, pair: bytes) -> None:
    header = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    for through_flask in (False, True):
        answer = shared.post(path, headers=header, through_flask=through_flask, token="x", grant_type="refresh_token", refresh_token="x")
        assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("request_id", REQUEST_IDS)
def test_an_odd_request_id_behind_the_sign_in_names_nothing(shared: World, request_id: str) -> None:
    answer = shared.http.get("/sign-in", query_string={"next": f"/consent?request={request_id}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/", "/sign-in", "/settings/audit", "/oauth/authorize", "/oauth/token", "/.well-known/oauth-authorization-server"])
def test_an_odd_host_is_no_server_error(shared: World, path: str, host: str) -> None:
    answer = shared.front.get(path, environ_overrides={"HTTP_HOST": host})
    assert answer.status_code < 500, answer.text[:300]
