"""PROTOCOL.md 17, 20, 22 and 24: clients, forms and answers of the token endpoint, by the front and by Flask."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.oauth_world import World


@pytest.fixture(scope="module")
def client_id(shared: World) -> str:
    return shared.client_id()


def error_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.get_json()["error"]


@pytest.mark.parametrize("unknown", ["app_" + "0" * 32, "nobody", "https://client.example/metadata"])
def test_p17_an_unknown_public_client_gets_401_invalid_client(shared: World, unknown: str) -> None:
    assert error_of(shared.exchange(unknown, "garbage")) == (401, "invalid_client")
    assert error_of(shared.refresh(unknown, "garbage")) == (401, "invalid_client")


def test_p17_an_unknown_client_with_another_clients_token_gets_401_too(shared: World, client_id: str) -> None:
    tokens = shared.tokens(client_id)
    assert error_of(shared.refresh("app_" + "0" * 32, tokens["refresh_token"])) == (401, "invalid_client")
    assert error_of(shared.refresh(shared.client_id(client_name="Other"), tokens["refresh_token"])) == (400, "invalid_grant")
    assert shared.refresh(client_id, tokens["refresh_token"]).status_code == 200


def test_a_request_without_a_client_is_invalid_client(shared: World) -> None:
    assert error_of(shared.post("/oauth/token", grant_type="refresh_token", refresh_token="x")) == (401, "invalid_client")


def test_p18_a_public_client_refreshes_and_the_token_rotates(shared: World, client_id: str) -> None:
    tokens = shared.tokens(client_id)
    after = shared.refresh(client_id, tokens["refresh_token"]).get_json()
    assert after["refresh_token"] != tokens["refresh_token"]
    assert shared.refresh(client_id, after["refresh_token"]).status_code == 200


def test_a_basic_header_with_an_empty_password_names_a_public_client(shared: World, client_id: str) -> None:
    tokens = shared.tokens(client_id)
    basic = {"Authorization": "Basic " + base64.b64encode(f"{client_id}:".encode()).decode()}
    fields: dict[str, Any] = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert shared.post("/oauth/token", headers=basic, **fields).status_code == 200
    assert error_of(shared.post("/oauth/token", headers=basic, client_id="app_" + "0" * 32, **fields)) == (401, "invalid_client")


@pytest.mark.parametrize(
    "authorization", ["Basic !", "Basic " + base64.b64encode(b"nocolon").decode(), "Basic " + base64.b64encode(b"\xff:").decode(), "Bearer x"]
)
def test_an_unreadable_authorization_header_is_invalid_client_with_a_challenge(shared: World, authorization: str) -> None:
    response = shared.post("/oauth/token", headers={"Authorization": authorization}, grant_type="refresh_token", refresh_token="x")
    assert error_of(response) == (401, "invalid_client")
    assert response.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_client_that_sends_a_secret_is_refused(shared: World, client_id: str) -> None:
    assert error_of(shared.refresh(client_id, "x", client_secret="hunter2")) == (401, "invalid_client")


def test_a_code_is_no_refresh_token_and_the_reverse(shared: World, client_id: str) -> None:
    code = shared.approve(client_id)["code"]
    assert error_of(shared.refresh(client_id, code)) == (400, "invalid_grant")
    tokens = shared.exchange(client_id, code).get_json()
    assert error_of(shared.exchange(client_id, tokens["refresh_token"])) == (400, "invalid_grant")
    assert error_of(shared.refresh(client_id, tokens["access_token"])) == (400, "invalid_grant")
    assert shared.refresh(client_id, tokens["refresh_token"]).status_code == 200


def test_p20_access_tokens_live_ten_minutes_and_answers_are_never_stored(shared: World, client_id: str) -> None:
    response = shared.exchange(client_id, shared.approve(client_id)["code"])
    assert response.get_json()["expires_in"] == 600
    for answer in (response, shared.refresh(client_id, "garbage")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.mimetype == "application/json"


def test_p21_the_narrowed_consent_is_what_the_tokens_say(shared: World, client_id: str) -> None:
    tokens = shared.tokens(client_id, scopes="projects:query", projects=[shared.projects["Sales"]])
    assert tokens["scope"] == "offline_access projects:query"
    claims = shared.services.access_tokens.read(tokens["access_token"], shared.services.clock())
    assert claims is not None
    assert claims["authorization_details"] == [{"type": "project", "projects": [shared.projects["Sales"]], "actions": ["projects:query"]}]


def test_p22_code_consent_and_tokens_are_one_append_each(shared: World, client_id: str) -> None:
    tokens = shared.tokens(client_id)
    shared.refresh(client_id, tokens["refresh_token"])
    assert shared.topics(shared.grant_id(tokens)) == ["grant.code_issued", "grant.code_exchanged", "grant.tokens_refreshed"]


@pytest.mark.parametrize("through_flask", [False, True])
def test_p24_parameters_in_the_query_string_count_for_nothing(shared: World, client_id: str, through_flask: bool) -> None:
    tokens = shared.tokens(client_id)
    query = f"/oauth/token?grant_type=refresh_token&client_id={client_id}&refresh_token={tokens['refresh_token']}"
    assert error_of(shared.post(query, through_flask=through_flask)) == (400, "invalid_request")
    assert error_of(shared.post(query, through_flask=through_flask, grant_type="refresh_token", client_id=client_id)) == (400, "invalid_request")


@pytest.mark.parametrize("through_flask", [False, True])
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"grant_type=refresh_token&grant_type=refresh_token", "application/x-www-form-urlencoded", 400),
        (b"client_id=a&client_id=b&grant_type=refresh_token", "application/x-www-form-urlencoded", 400),
        (b"grant_type=%ff", "application/x-www-form-urlencoded", 400),
        (b"grant_type=\xff", "application/x-www-form-urlencoded", 400),
        (b"grant_type=refresh_token&refresh_token=a%00b&client_id=x", "application/x-www-form-urlencoded", 400),
        (b"x=" + b"a" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"x=" + b"a" * 300_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"p%d=1" % n for n in range(200)), "application/x-www-form-urlencoded", 400),
        (b'{"grant_type":"refresh_token"}', "application/json", 400),
        (b"--b\r\n\r\n--b--", "multipart/form-data; boundary=b", 400),
        (b"", "application/x-www-form-urlencoded", 400),
        (b"grant_type=refresh_token", "", 400),
    ],
)
def test_what_cannot_be_read_is_an_invalid_request(shared: World, through_flask: bool, body: bytes, content_type: str, status: int) -> None:
    client: Any = shared.http if through_flask else shared.front
    response = client.post("/oauth/token", data=body, content_type=content_type)
    assert error_of(response) == (status, "invalid_request")


@pytest.mark.parametrize("grant_type", ["password", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code", '"', "é"])
def test_another_grant_type_is_not_supported(shared: World, client_id: str, grant_type: str) -> None:
    assert error_of(shared.post("/oauth/token", grant_type=grant_type, client_id=client_id)) == (400, "unsupported_grant_type")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_get_405_in_json(shared: World, method: str) -> None:
    response = shared.front.open("/oauth/token", method=method)
    assert response.status_code == 405
    assert response.get_json()["error"] == "invalid_request"
    assert "POST" in response.headers["Allow"]


def test_the_front_and_flask_answer_alike(shared: World, client_id: str) -> None:
    cases: list[dict[str, Any]] = [{"grant_type": "refresh_token", "client_id": client_id, "refresh_token": "garbage"}, {"grant_type": "nonsense"}]
    for fields in cases:
        short, long = shared.post("/oauth/token", **fields), shared.post("/oauth/token", through_flask=True, **fields)
        assert (short.status_code, short.data) == (long.status_code, long.data)
        ours = {"Content-Length", "X-Request-Id"}
        assert {k: v for k, v in short.headers if k not in ours} == {k: v for k, v in long.headers if k not in ours}
