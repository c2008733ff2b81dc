"""Repeated parameters, two ways of authentication, odd encodings, giant bodies: refused clearly, never a 500."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.oauth_world import World

FORM = "application/x-www-form-urlencoded"
ENDPOINTS = ["/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/register", "/oauth/authorize"]


@pytest.fixture(scope="module")
def client_id(shared: World) -> str:
    return shared.client_id()


@pytest.mark.parametrize("name", ["grant_type", "client_id", "refresh_token", "scope", "code", "unknown"])
def test_no_parameter_may_stand_twice(shared: World, client_id: str, name: str) -> None:
    tokens = shared.tokens(client_id)
    fields: dict[str, Any] = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": tokens["refresh_token"]}
    response = shared.post("/oauth/token", **{**fields, name: [fields.get(name, "x"), fields.get(name, "x")]})
    assert (response.status_code, response.get_json()["error"]) == (400, "invalid_request")
    assert shared.refresh(client_id, tokens["refresh_token"]).status_code == 200


def test_an_empty_twin_of_a_parameter_counts_as_a_repetition(shared: World, client_id: str) -> None:
    assert shared.post("/oauth/token", grant_type=["refresh_token", ""], client_id=client_id, refresh_token="x").status_code == 400


def test_two_clients_in_one_request_are_refused(shared: World, client_id: str) -> None:
    basic = {"Authorization": "Basic " + base64.b64encode(b"app_x:").decode()}
    assert shared.post("/oauth/token", headers=basic, grant_type="refresh_token", client_id=client_id, refresh_token="x").status_code == 401
    resource_id, secret = next(iter(shared.credentials.values()))
    both = {"Authorization": "Basic " + base64.b64encode(f"{resource_id}:{secret}".encode()).decode()}
    assert shared.post("/oauth/introspect", headers=both, client_id=resource_id, client_secret=secret, token="x").status_code == 401


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "body",
    [
        b"", b"=", b"&&&", b"%", b"%zz", b"%00=%00", b"a=%c3%28", b"\xff\xfe", b"a" * 65_537, b"a=" + b"%41" * 30_000,
        b"&".join(b"a%d=" % n for n in range(5000)),
        b"grant_type=\"';--&client_id=%22", b"grant_type=refresh_token&client_id=%f0%9f%92%a9&refresh_token=%f0%9f%92%a9", b"\r\n\r\n",
        b"client_id[]=x&client_id[0]=y",
        b"grant_type=refresh_token;client_id=x", b"token=" + b"." * 60_000, b"token=a.b.c&client_id=app_" + b"f" * 32, b"{}", b"[]",
        b'"', b"\x00" * 100,
    ],
)  # fmt: skip
def test_no_body_brings_a_server_error(shared: World, path: str, body: bytes) -> None:
    for content_type in (FORM, "application/json", "text/plain", FORM + "; charset=utf-16"):
        response = shared.front.post(path, data=body, content_type=content_type)
        assert 400 <= response.status_code < 500, (response.status_code, response.text[:300])
        if path != "/oauth/authorize":
            assert set(response.get_json()) == {"error", "error_description"}


@pytest.mark.parametrize("path", ENDPOINTS[:-1])
@pytest.mark.parametrize("length", ["-1", "abc", "99999999999", "1e3", ""])
def test_an_odd_content_length_is_no_server_error(shared: World, path: str, length: str) -> None:
    response = shared.front.post(path, data=b"grant_type=x", content_type=FORM, environ_overrides={"CONTENT_LENGTH": length})
    assert 400 <= response.status_code < 500


@pytest.mark.parametrize(
    "query",
    ["client_id=%00", "client_id=%ff", "client_id=" + "x" * 70_000, "&".join(f"p{n}=1" for n in range(300)), "%", "client_id=a&client_id=b", ""],
)
def test_no_query_brings_a_server_error_at_the_authorization_endpoint(shared: World, query: str) -> None:
    response = shared.http.get(f"/oauth/authorize?{query}")
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_a_header_cannot_name_the_account_or_the_issuer(shared: World, client_id: str) -> None:
    hostile = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    document = shared.http.get("/.well-known/oauth-authorization-server", headers=hostile).get_json()
    assert "evil.example" not in str(document)
    code = shared.approve(client_id)["code"]
    assert "evil.example" not in str(
        shared.services.access_tokens.read(shared.exchange(client_id, code).get_json()["access_token"], shared.services.clock())
    )


def test_a_method_override_overrides_nothing(shared: World) -> None:
    assert shared.http.get("/oauth/token", headers={"X-HTTP-Method-Override": "POST"}).status_code == 405
