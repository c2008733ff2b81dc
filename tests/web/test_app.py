from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import Client

from domain.base import Sealed
from infrastructure.bootstrap import bootstrap
from infrastructure.settings import load_settings
from tests.support.oauth_world import CALLBACK, KEYS, World, oauth_world
from tests.support.postgres import Database
from web.app import MAX_BODY, create_app, wrapped

NAMES = ("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY")
EVERYWHERE = [
    ("GET", "/"), ("GET", "/sign-in"), ("POST", "/sign-in"), ("GET", "/settings/integrations"), ("GET", "/connected-apps"), ("GET", "/setup?token=x"),
    ("GET", "/oauth/authorize?client_id=x"), ("POST", "/oauth/token"), ("POST", "/oauth/introspect"), ("POST", "/oauth/revoke"),
    ("POST", "/oauth/register"), ("GET", "/.well-known/oauth-authorization-server"), ("GET", "/.well-known/jwks.json"),
    ("GET", "/.well-known/oauth-protected-resource"), ("GET", "/consent?request=x"), ("GET", "/nowhere"), ("PUT", "/oauth/token"),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with oauth_world(module_database) as world:
        yield world


@pytest.fixture(scope="module")
def without_database(tmp_path_factory: pytest.TempPathFactory) -> Client:
    environ = {"GRANTBOOK_DATABASE_URL": "host=/nowhere dbname=x connect_timeout=1", **dict(zip(NAMES, KEYS, strict=True))}
    app = bootstrap(load_settings(environ, tmp_path_factory.mktemp("nowhere")))
    return Client(wrapped(app, create_app(app)))


@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
def test_without_a_database_every_path_answers_that_it_is_busy(without_database: Client, method: str, path: str) -> None:
    response = without_database.open(path, method=method, data={"grant_type": "refresh_token"} if method == "POST" else None)
    assert response.status_code in (503, 303, 400, 401, 404, 405), response.text
    assert response.status_code != 503 or response.headers["Retry-After"]
    assert "nowhere dbname" not in response.text


def test_without_a_database_it_is_alive_but_not_ready(without_database: Client) -> None:
    assert without_database.get("/healthz").status_code == 200
    response = without_database.get("/readyz")
    assert response.status_code == 503
    assert "database" in response.get_json()["checks"]


@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
def test_every_answer_has_a_request_id_and_is_not_sniffed(world: World, method: str, path: str) -> None:
    response = world.front.open(path, method=method)
    assert len(response.headers["X-Request-Id"]) == 16
    assert response.status_code < 500
    if path.startswith(("/sign-in", "/settings", "/nowhere")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_mistake_of_ours_shows_no_cause(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("the cause")

    monkeypatch.setattr("web.front.Front.way", fails)
    response = world.front.get("/.well-known/jwks.json")
    assert response.status_code == 500
    assert response.get_json() == {"error": "server_error"}


def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    assert world.front.post("/sign-in", data={"email": "x" * (MAX_BODY + 1)}).status_code == 413
    assert world.front.post("/oauth/register", data="x" * (MAX_BODY + 1), content_type="application/json").status_code == 413


def test_the_peer_is_who_the_trusted_proxy_says_and_nobody_else(world: World) -> None:
    forwarded = {"X-Forwarded-For": "198.51.100.9, 198.51.100.8", "X-Forwarded-Proto": "https"}
    name = {"client_name": "Tool", "redirect_uris": [CALLBACK]}
    client_id = world.front.post("/oauth/register", json=name, headers=forwarded).get_json()["client_id"]
    (direct,) = world.events(client_id.removeprefix("app_"))
    object.__setattr__(world.app.settings, "trusted_proxies", 1)
    proxied = Client(wrapped(world.app, create_app(world.app)))
    object.__setattr__(world.app.settings, "trusted_proxies", 0)
    other = proxied.post("/oauth/register", json=name, headers=forwarded).get_json()["client_id"]
    (behind,) = world.events(other.removeprefix("app_"))
    assert direct.address is None, "the test's client has no address, and nobody else's word is taken"
    assert isinstance(behind.address, Sealed)
    assert world.app.keyring.open(behind.address, f"{behind.originator_id}:{behind.originator_version}") == "198.51.100.8"


def test_static_files_are_kept_for_a_year(world: World) -> None:
    with contextlib.closing(world.front.get("/static/grantbook.css?v=1")) as response:
        assert "max-age=31536000" in response.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/nothing.css", "/static/..%2fapp.py"])
def test_nothing_but_static_files_is_reached_there(world: World, path: str) -> None:
    assert world.front.get(path).status_code == 404


def test_over_tls_cookies_and_transport_are_strict(database: Database, tmp_path: Path) -> None:
    environ = {"GRANTBOOK_DATABASE_URL": database.web_dsn, "GRANTBOOK_BASE_URL": "https://auth.example.com"}
    app = bootstrap(load_settings({**environ, **dict(zip(NAMES, KEYS, strict=True))}, tmp_path))
    response = Client(wrapped(app, create_app(app))).get("/healthz", base_url="https://auth.example.com")
    assert response.headers["Strict-Transport-Security"]
    app.close()


@pytest.mark.parametrize(
    "path", ["/.well-known/nothing", "/.well-known/openid-configuration", "/oauth/nothing", "/metrics", "/api/ai/v1/mcp", "/ledger/nothing"]
)
def test_a_program_that_asks_for_what_is_not_there_gets_a_problem_that_it_can_read(world: World, path: str) -> None:
    response = world.front.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (404, "application/problem+json")
    assert (response.get_json()["code"], response.get_json()["status"]) == ("not-found", 404)
    assert response.headers.get("Access-Control-Allow-Origin") == ("*" if path.startswith("/.well-known/") else None)
    assert ("GRANTBOOK_METRICS_PORT" in response.text) == (path == "/metrics")
    assert ("GRANTBOOK_GATEWAY_PORT" in response.text) == (path == "/api/ai/v1/mcp")


def test_a_wrong_method_is_told_with_the_right_ones(world: World) -> None:
    response = world.front.post("/healthz")
    assert (response.status_code, response.get_json()["code"]) == (405, "method-not-allowed")
    assert "GET" in response.headers["Allow"]
