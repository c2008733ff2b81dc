from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from infrastructure.tracing import Tracing
from web.mcp.deciders import Deciders
from web.mcp.tracing import trace_gateway
from web.mcp.upstream import Upstreams, UpstreamUnreachable

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def kept() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(kept: InMemorySpanExporter) -> Iterator[Tracing]:
    made = Tracing("gateway", "", kept)
    trace_gateway(made)
    yield made
    made.end()


def test_an_upstream_is_called_within_a_span_and_told_the_trace(
    tracing: Tracing, kept: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[httpx.Headers] = []

    def handle(request: httpx.Request) -> httpx.Response:
        got.append(request.headers)
        return httpx.Response(200, text="ok")

    client = httpx.Client(transport=httpx.MockTransport(handle))
    monkeypatch.setattr(Upstreams, "_client", lambda *_: (client, "http://upstream.example/mcp"))
    with tracing.span("request", parent={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}):
        Upstreams().open("http://upstream.example/mcp", "POST", {"Authorization": "Bearer secret"}, b"{}").close()
    assert got[0]["traceparent"].startswith(f"00-{TRACE}-")
    said = "".join(span.to_json() for span in kept.get_finished_spans())
    assert "POST upstream" in said
    assert "secret" not in said
    client.close()


def test_an_upstream_that_does_not_answer_is_an_error_in_its_span(tracing: Tracing, kept: InMemorySpanExporter) -> None:
    upstreams = Upstreams(httpx.Timeout(1))
    with pytest.raises(UpstreamUnreachable):
        upstreams.open("http://127.0.0.1:9/", "POST", {}, b"{}")
    upstreams.close()
    (span,) = kept.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["error.type"] == "UpstreamUnreachable"
    assert not span.status.is_ok


def test_what_another_thread_decides_belongs_to_the_request_that_waits(tracing: Tracing, kept: InMemorySpanExporter) -> None:
    deciders = Deciders(1)
    with tracing.span("request"):
        deciders.do(tracing.traced(lambda: None, lambda: ("inner", {})))
    deciders.close()
    inner, request = kept.get_finished_spans()
    assert inner.parent is not None
    assert request.context is not None
    assert inner.parent.span_id == request.context.span_id
