from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from werkzeug.test import Client as WsgiClient

from application import introspect_token
from infrastructure.run_folder import RunFolder
from infrastructure.settings import SettingsError, load_settings
from infrastructure.store.connection import Kept
from infrastructure.tracing import Tracing, current, start_tracing, stop_tracing
from tests.architecture.source import ROOT
from tests.support.loop_client import LoopClient
from tests.support.oauth_world import ALL_SCOPES, World, oauth_world
from tests.support.postgres import Database
from tests.web.serving.raw import Raw
from web.app import wrapped

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"

Traced = Callable[..., World]


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with oauth_world(database) as made:
        yield made


@pytest.fixture
def spans(world: World) -> Iterator[InMemorySpanExporter]:
    """Tracing as the setting switches it on, into memory."""
    kept = InMemorySpanExporter()
    start_tracing(replace(world.app.settings, otlp_endpoint="http://127.0.0.1:9"), "web", kept)
    yield kept
    stop_tracing()


@pytest.fixture
def traced(world: World) -> Iterator[Traced]:
    """Makes the same server behind the middleware that tracing adds, with these settings."""
    made: list[LoopClient] = []

    def make(**settings: Any) -> World:
        app = replace(world.app, settings=replace(world.app.settings, **settings))
        served = wrapped(app, world.http.application)
        made.append(LoopClient(served))
        return replace(world, front=WsgiClient(served), worker=made[-1])

    yield make
    for worker in made:
        worker.close()


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def test_a_refresh_is_a_request_a_use_case_and_its_statements(world: World, spans: InMemorySpanExporter, traced: Traced) -> None:
    client_id = world.client_id()
    tokens = world.tokens(client_id)
    spans.clear()
    server = traced()
    assert server.refresh(client_id, tokens["refresh_token"]).status_code == 200
    server.worker.close()
    found = by_name(spans)
    request, use_case = found["POST token"], found["refresh_tokens.refresh_tokens"]
    statements = [span for name, span in found.items() if name.startswith("SQL ")]
    assert statements
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200
    assert request.context is not None
    assert use_case.context is not None
    assert use_case.parent is not None
    assert use_case.parent.span_id == request.context.span_id
    assert all(span.parent is not None and span.parent.span_id == use_case.context.span_id for span in statements)


def test_no_span_holds_a_secret_an_id_or_an_address(world: World, spans: InMemorySpanExporter, traced: Traced) -> None:
    client_id = world.client_id()
    back = world.approve(client_id, scopes=ALL_SCOPES)
    tokens = world.exchange(client_id, back["code"]).get_json()
    server = traced()
    server.exchange(client_id, back["code"])
    server.refresh(client_id, tokens["refresh_token"])
    server.introspect(tokens["access_token"])
    said = "".join(span.to_json() for span in spans.get_finished_spans())
    secrets = [back["code"], tokens["access_token"], tokens["refresh_token"], client_id, world.admin_id, "203.0.113.5", "jaffle.example"]
    assert [secret for secret in secrets if secret in said] == []


def test_what_flask_has_to_answer_is_one_span(spans: InMemorySpanExporter, traced: Traced) -> None:
    server = traced()
    assert server.worker.post("/oauth/token", data="{}", content_type="application/json").status_code == 400
    server.worker.close()
    (span,) = spans.get_finished_spans()
    assert (span.name, span.attributes and span.attributes["http.response.status_code"]) == ("POST token", 400)


def test_a_document_that_is_known_has_no_length(spans: InMemorySpanExporter, traced: Traced) -> None:
    with Raw(traced().worker.port) as raw:
        etag = raw.get("/.well-known/jwks.json").headers["etag"]
        answer = raw.send(f"GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\nIf-None-Match: {etag}\r\n\r\n".encode()).answer(bodiless=True)
    assert (answer.status, answer.headers.get("content-length")) == (304, None)
    assert [span.name for span in spans.get_finished_spans()].count("GET discovery") == 2


def test_a_refusal_is_no_error_of_ours_but_names_its_class(world: World, spans: InMemorySpanExporter) -> None:
    client_id = world.client_id()
    world.refresh(client_id, "nothing")
    attributes = by_name(spans)["refresh_tokens.refresh_tokens"].attributes
    assert attributes is not None
    assert attributes["error.type"] == "TokenRefused"


def test_a_callers_trace_is_continued_behind_a_trusted_proxy_only(spans: InMemorySpanExporter, traced: Traced) -> None:
    for hops, continued in ((0, False), (1, True)):
        spans.clear()
        traced(trusted_proxies=hops).front.get("/.well-known/oauth-authorization-server", headers={"traceparent": PARENT})
        span = by_name(spans)["GET discovery"]
        assert span.context is not None
        assert (f"{span.context.trace_id:032x}" == TRACE) is continued


def test_those_whom_we_call_are_told_of_the_trace(world: World, spans: InMemorySpanExporter) -> None:
    tracing = current()
    assert tracing is not None
    with tracing.span("x", parent={"traceparent": PARENT}):
        assert tracing.headers()["traceparent"].startswith(f"00-{TRACE}-")
    assert Tracing.headers() == {}


def test_the_end_leaves_nothing_wrapped(world: World) -> None:
    run, introspect = Kept.run, introspect_token.introspect
    start_tracing(replace(world.app.settings, otlp_endpoint="http://127.0.0.1:9"), "web", InMemorySpanExporter())
    assert Kept.run is not run
    assert introspect_token.introspect is not introspect
    stop_tracing()
    assert (Kept.run, introspect_token.introspect) == (run, introspect)
    assert current() is None


def test_without_the_setting_nothing_is_wrapped_or_imported(world: World) -> None:
    run = Kept.run
    assert start_tracing(world.app.settings, "web") is None
    assert Kept.run is run
    code = "import sys, web.app, web.cli.child; print([n for n in sys.modules if n.startswith('opentelemetry')])"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_server_without_the_extra_says_so_and_serves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infrastructure.tracing._PACKAGE", "opentelemetry.not_installed")
    assert start_tracing(replace(world.app.settings, otlp_endpoint="http://127.0.0.1:9"), "web") is None


def test_an_endpoint_that_is_no_url_is_reported_without_repeating_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    with RunFolder.made() as folder, pytest.raises(SettingsError) as raised:
        load_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": "user:hunter2@host"}, folder.path)
    assert any("OTEL_EXPORTER_OTLP_ENDPOINT" in problem and "hunter2" not in problem for problem in raised.value.problems)
