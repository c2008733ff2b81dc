from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.oauth_world import World, oauth_world
from tests.support.postgres import Database
from web.front import Front


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with oauth_world(module_database) as found:
        yield found


def went_on(world: World, **environ: Any) -> bytes | None:
    """The body that Flask would have read, or None if the front answered."""
    seen: list[bytes] = []

    def flask(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ["wsgi.input"].read())
        start_response("200 OK", [])
        return []

    body = environ.pop("body", b"grant_type=nonsense")
    front = Front(world.app, flask)
    base = {
        "PATH_INFO": "/oauth/token", "REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body), "HTTP_HOST": "localhost:8000", "REMOTE_ADDR": "127.0.0.1",
    }  # fmt: skip
    front({**base, **environ}, lambda *_: None)
    return seen[0] if seen else None


def test_the_ordinary_is_answered_and_everything_else_goes_on_with_its_body(world: World) -> None:
    assert went_on(world) is None
    assert went_on(world, PATH_INFO="/oauth/introspect") is None
    for unusual in (
        {"REQUEST_METHOD": "GET"}, {"PATH_INFO": "/oauth/authorize"}, {"PATH_INFO": "/oauth/token/"}, {"QUERY_STRING": "a=b"},
        {"CONTENT_TYPE": "application/json"},
        {"CONTENT_TYPE": "multipart/form-data; boundary=x"}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "-5"}, {"CONTENT_LENGTH": "99999999"},
    ):  # fmt: skip
        assert went_on(world, **unusual) == b"grant_type=nonsense", unusual


def test_discovery_is_answered_and_what_is_not_there_goes_on(world: World) -> None:
    assert went_on(world, REQUEST_METHOD="GET", PATH_INFO="/.well-known/oauth-authorization-server", body=b"") is None
    assert went_on(world, REQUEST_METHOD="GET", PATH_INFO="/.well-known/openid-configuration", body=b"") == b""


def test_a_store_without_an_account_leaves_it_to_flask(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(world.app.directory), "account_for", lambda *_: None)
    assert went_on(world) == b"grant_type=nonsense"
    assert world.front.post("/oauth/token", data={"grant_type": "x"}).status_code == 503
    assert world.http.get("/oauth/authorize").status_code == 503
