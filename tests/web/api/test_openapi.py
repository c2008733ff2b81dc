from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from tests.web.api.conftest import PREFIX, Server
from web.api import openapi


@pytest.fixture
def spec(server: Server) -> Any:
    response = server.world.http.get(f"{PREFIX}/openapi.json")
    assert (response.status_code, response.content_type) == (200, "application/json")
    return response.get_json()


def test_it_is_openapi_31_and_needs_no_token(spec: Any, server: Server) -> None:
    assert spec["openapi"] == "3.1.0"
    assert spec["servers"] == [{"url": server.world.services.issuer}]
    etag = server.world.http.get(f"{PREFIX}/openapi.json").headers["ETag"]
    assert server.world.http.get(f"{PREFIX}/openapi.json", headers={"If-None-Match": etag}).status_code == 304


def test_its_first_readers_all_get_the_whole(own_server: Server) -> None:
    app = own_server.world.http.application
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda _: app.test_client().get(f"{PREFIX}/openapi.json").data, range(8)))
    assert len(read[0]) > 100_000
    assert set(read) == {read[0]}


def test_it_describes_every_route(spec: Any, server: Server) -> None:
    app: Any = server.world.http.application
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(PREFIX) and not rule.rule.endswith("openapi.json")
    }
    assert {(path, method) for path, method, _ in openapi.operations(spec)} == served


def _media(spec: Any) -> Iterator[tuple[str, Any]]:
    for path, method, operation in openapi.operations(spec):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            yield f"{method} {path} body", media
        for status, response in operation["responses"].items():
            for media in response.get("content", {}).values():
                yield f"{method} {path} {status}", media


def test_every_operation_has_examples_that_fit_their_schemas(spec: Any) -> None:
    wrong = {}
    for label, media in _media(spec):
        schema = {**media["schema"], "components": spec["components"]}
        errors = list(Draft202012Validator(schema, validate_formats=True).iter_errors(media["example"]))
        if errors:
            wrong[label] = [f"{error.instance_path}: {error.message}" for error in errors]
    assert not wrong
    assert len(list(_media(spec))) > 60


def test_every_operation_says_what_it_needs_and_how_it_can_fail(spec: Any) -> None:
    for path, method, operation in openapi.operations(spec):
        label = f"{method} {path}"
        assert operation["summary"], label
        assert operation["security"] in ([{"bearer": ["account:read"]}], [{"bearer": ["account:manage"]}], [{"resource": []}]), label
        assert {"401", "422", "429", "500", "503"} <= set(operation["responses"]), label
        names = {parameter.get("$ref", parameter.get("name")) for parameter in operation.get("parameters", [])}
        if method == "get":
            assert "min_position" in names, label
        else:
            assert "#/components/parameters/IdempotencyKey" in names, label
        if method in ("patch", "put"):
            assert "#/components/parameters/IfMatchRequired" in names, label


def test_the_page_is_made_without_scripts_or_styles_in_it_and_from_this_server_alone(server: Server) -> None:
    response = server.world.http.get("/api/docs")
    assert response.status_code == 200
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    page = response.text
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert all(source.startswith("/static/") for source in re.findall(r'(?:src|<link[^>]*href)="([^"]*)"', page))
    assert len(page) < 200_000
    for path, method, _ in openapi.operations(server.world.http.get(f"{PREFIX}/openapi.json").get_json()):
        assert path in page
        assert method.upper() in page
