"""A store that doesn't answer for a moment: the short way says 503 like the long one, and never fails."""

from __future__ import annotations

from typing import Any

import pytest

from application.ports import Busy
from infrastructure.directory import Directory
from tests.support.oauth_world import World

WAYS = [
    ("GET", "/.well-known/oauth-authorization-server"), ("GET", "/.well-known/oauth-protected-resource"), ("GET", "/.well-known/jwks.json"),
    ("POST", "/oauth/token"), ("POST", "/oauth/introspect"), ("POST", "/oauth/revoke"), ("POST", "/oauth/register"), ("GET", "/oauth/authorize"),
    ("GET", "/sign-in"),
]  # fmt: skip


def busy(*_: Any, **__: Any) -> Any:
    raise Busy


@pytest.mark.parametrize(("method", "path"), WAYS)
def test_a_busy_store_is_503_before_the_first_document_and_the_first_account(world: World, method: str, path: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(Directory, "account_for", busy)
    form = "grant_type=refresh_token&refresh_token=x&client_id=y" if method == "POST" else None
    answer = world.front.open(path, method=method, data=form, content_type="application/x-www-form-urlencoded")
    assert answer.status_code in (503, 400), answer.text[:200]
    if answer.status_code == 503:
        assert answer.headers["Retry-After"]


@pytest.mark.parametrize("path", [path for method, path in WAYS if method == "GET" and "well-known" in path])
def test_discovery_of_a_busy_store_is_503(world: World, path: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(type(world.services.store), "load", busy)
    answer = world.front.get(path)
    assert (answer.status_code, bool(answer.headers.get("Retry-After"))) == (503, True)
