from __future__ import annotations

from typing import Any

import psycopg
import pytest

from application.ports import Busy
from tests.web.api.conftest import PREFIX, Caller, Server
from web.api import problems


def _problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = response.get_json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"].endswith(f"/api/docs#{code}")
    assert body["title"] == problems.CODES[code][1]
    return body


@pytest.mark.parametrize("path", ["", "/", "/nope", "/members/x/y/z", "/openapi.yaml"])
def test_paths_that_do_not_exist(admin: Caller, path: str) -> None:
    _problem(admin.get(path), 404, "not-found")


def test_methods_that_are_not_served(admin: Caller) -> None:
    response = admin.delete("/account")
    _problem(response, 405, "method-not-allowed")
    assert {"GET", "PATCH"} <= set(response.headers["Allow"].split(", "))


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
def test_bodies_that_are_not_json(admin: Caller, content_type: str) -> None:
    _problem(admin.call("POST", "/projects", data='{"name": "x"}', content_type=content_type), 415, "unsupported-media-type")


@pytest.mark.parametrize("body", [b"{", b"nonsense", b'{"name": NaN}', b'{"name": "\\ud800"}', b"\xff", b"[" * 5000, b'{"name": "x"} x'])
def test_bodies_that_are_no_valid_json(admin: Caller, body: bytes) -> None:
    _problem(admin.call("POST", "/projects", data=body, content_type="application/json"), 400, "malformed")


@pytest.mark.parametrize(
    "body", [[], "x", 1, None, {}, {"name": 1}, {"name": None}, {"name": ""}, {"name": "x" * 101}, {"name": "a\x00b"}, {"name": "x", "more": 1}]
)
def test_bodies_of_another_shape(admin: Caller, body: Any) -> None:
    response = admin.call("POST", "/projects", json=body)
    assert _problem(response, 422, "invalid-input")["errors"]


def test_each_wrong_value_is_named(admin: Caller) -> None:
    body = {"email": "x@y.example", "name": "", "role": "King", "projects": [1]}
    errors = _problem(admin.post("/members", body), 422, "invalid-input")["errors"]
    assert {error["pointer"] for error in errors} == {"/name", "/role", "/projects/0"}
    errors = _problem(admin.get("/members?limit=0&nope=1&active=maybe"), 422, "invalid-input")["errors"]
    assert {error["parameter"] for error in errors} == {"limit", "nope", "active"}


def test_what_the_domain_refuses_names_its_field(admin: Caller) -> None:
    body: dict[str, Any] = {"email": "no address", "name": "N", "role": "Member"}
    assert _problem(admin.post("/members", body), 422, "invalid-input")["errors"][0]["pointer"] == "/email"
    body |= {"email": "n@jaffle.example", "projects": ["nowhere"]}
    assert _problem(admin.post("/members", body), 422, "invalid-input")["errors"][0]["pointer"] == "/project"


def test_bodies_that_are_too_large(admin: Caller) -> None:
    _problem(admin.call("POST", "/projects", data=b'"' + b"x" * 300_000 + b'"', content_type="application/json"), 413, "too-large")


@pytest.mark.parametrize(
    "path", ["/integrations/%00", "/members?cursor=%00", "/sessions?client=%EF%BF%BD", "/audit/entries?%00=1", "/projects/a%00b"]
)
def test_urls_that_can_not_be_meant(admin: Caller, path: str) -> None:
    _problem(admin.get(path), 400, "malformed")


@pytest.mark.parametrize("path", ["/members/1", "/sessions/1", "/consents/1", "/integrations/1", "/resources/1", "/projects/1", "/audit/entries/1"])
def test_things_that_do_not_exist(admin: Caller, path: str) -> None:
    _problem(admin.get(path), 404, "not-found")


def test_what_nobody_foresaw_tells_nothing_and_is_logged(admin: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("projections.members.queries.list_members", fails)
    response = admin.get("/members")
    _problem(response, 500, "internal-error")
    assert "secret detail" not in response.text
    assert "request failed" in caplog.text


@pytest.mark.parametrize("error", [Busy(retry_after=3), psycopg.OperationalError("lost")])
def test_a_database_that_does_not_answer_is_503_with_when_to_ask_again(admin: Caller, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr("projections.members.queries.list_members", fails)
    response = admin.get("/members")
    _problem(response, 503, "busy")
    assert response.headers["Retry-After"] in ("2", "3")


def test_a_server_without_an_account_says_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(server.world.app.directory), "account_for", lambda *_: None)
    response = server.world.http.get(f"{PREFIX}/account")
    _problem(response, 503, "not-set-up")


def test_pages_keep_their_own_errors_and_programs_get_problems(server: Server) -> None:
    assert server.world.http.get("/nope").content_type.startswith("text/html")
    assert server.world.http.get("/oauth/nope").content_type == problems.CONTENT_TYPE


def test_every_code_is_explained_on_the_page(server: Server) -> None:
    page = server.world.http.get("/api/docs").text
    assert [code for code in problems.CODES if f'id="{code}"' not in page] == []
