"""Event streams come as they are, for no longer than the grant lives and the client listens, and are recorded like any call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from werkzeug.serving import make_server

from application import end_consent, revoke_grant
from application.services import Origin
from tests.web.mcp.gateway_world import PATH, GatewayWorld, consent_of, wait_until

UI = Origin("ui")


@pytest.fixture
def served(gateway: GatewayWorld) -> Iterator[httpx.Client]:
    """The gateway on a port, with threads, for clients that read as it comes."""
    server = make_server("127.0.0.1", 0, gateway.flask, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}", headers={"Host": "localhost:8001"}, timeout=30, trust_env=False) as http:
            yield http
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def stream(http: httpx.Client, token: str, tool: str = "endless", method: str = "tools/call") -> Iterator[httpx.Response]:
    params = {"name": tool, "arguments": {}} if method == "tools/call" else {"notifications": {"toolsListChanged": True}}
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    with http.stream("POST", PATH, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers=headers) as answer:
        yield answer


def quiet(gateway: GatewayWorld) -> bool:
    """Whether no stream is left anywhere: not at the upstream, not in a thread, not in a slot."""
    left = [t for t in threading.enumerate() if t.name == "stream"]
    return gateway.upstream.state()["open_streams"] == 0 and not left and gateway.wiring.streams.empty and gateway.wiring.calls.empty


def test_a_stream_comes_as_it_is_and_is_recorded_by_its_response(gateway: GatewayWorld, served: httpx.Client) -> None:
    with stream(served, gateway.full, "stream") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        text = answer.read().decode()
    assert text.startswith(": hello\r\n\r\nevent: message\r\ndata: {")
    assert text.count("event: message") == 2
    assert gateway.outcomes() == [("tools/call:stream", "ok", None)]
    wait_until(lambda: quiet(gateway))


def test_a_tool_error_in_a_stream_is_recorded_as_failed(gateway: GatewayWorld) -> None:
    answer = gateway.call("stream", {"error": True})
    assert answer.status_code == 200
    assert "isError" in answer.text
    assert gateway.outcomes() == [("tools/call:stream", "failed", "tool error")]


def test_a_stream_that_ends_before_its_response_is_recorded_as_failed(gateway: GatewayWorld) -> None:
    assert "progress" in gateway.call("query", {"as": "half_stream"}).text
    assert gateway.outcomes() == [("tools/call:query", "failed", "broken off")]


def test_a_stream_ends_after_a_revocation(gateway: GatewayWorld, served: httpx.Client) -> None:
    token, world = gateway.token(), gateway.world
    with stream(served, token) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: message"
        revoke_grant.revoke(world.services, world.account_id, gateway.claims(token)["grant_id"], by="admin", actor_id=world.admin_id, origin=UI)
        assert all(line in ("", ":") or line.startswith("data:") for line in lines)
    wait_until(lambda: quiet(gateway))
    assert gateway.outcomes() == [("tools/call:endless", "failed", "access ended")]


def test_a_stream_ends_when_its_scope_or_project_is_taken_away(gateway: GatewayWorld, served: httpx.Client) -> None:
    token, world = gateway.token(), gateway.world
    consent, sales = str(consent_of(gateway, token)), (world.projects["Sales"],)
    with stream(served, token) as answer:
        lines = answer.iter_lines()
        next(lines)
        end_consent.narrow(world.services, world.account_id, consent, scopes=["projects:query"], projects=sales, actor_id=world.admin_id, origin=UI)
        for _ in lines:
            pass
    wait_until(lambda: quiet(gateway))
    assert gateway.call("query", token=token).status_code == 200, "the grant itself lives"


def test_a_call_under_way_outlives_its_token_and_a_listener_does_not(gateway: GatewayWorld, served: httpx.Client) -> None:
    token = gateway.token()
    with stream(served, token) as called, stream(served, token, method="subscriptions/listen") as listening:
        called_lines, listening_lines = called.iter_lines(), listening.iter_lines()
        next(called_lines)
        next(listening_lines)
        gateway.world.later(minutes=11)
        for _ in listening_lines:
            pass
        assert ":" in [next(called_lines) for _ in range(6)], "still there, and asked again"
    wait_until(lambda: quiet(gateway))
    assert [a.operation for a in gateway.activities()] == ["tools/call:endless"]


def test_a_stream_ends_when_its_client_goes_away(gateway: GatewayWorld, served: httpx.Client) -> None:
    for _ in range(3):
        with stream(served, gateway.full) as answer:
            next(answer.iter_lines())
    wait_until(lambda: quiet(gateway))
    assert gateway.outcomes() == [("tools/call:endless", "failed", "client left")] * 3


def test_one_grant_has_so_many_streams_and_no_more(gateway: GatewayWorld, served: httpx.Client) -> None:
    gateway.wiring.streams.of_a_grant = 1
    with stream(served, gateway.full) as answer:
        next(answer.iter_lines())
        with stream(served, gateway.full) as refused:
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        with stream(served, gateway.token()) as other:
            assert other.status_code == 200
    wait_until(lambda: quiet(gateway))


def test_slots_are_counted_in_all(gateway: GatewayWorld) -> None:
    gateway.wiring.streams.in_all = 0
    assert gateway.call("stream").status_code == 503
    assert gateway.call("query").status_code == 200
    assert gateway.outcomes()[0] == ("tools/call:stream", "failed", "too many streams")
