"""The way to an upstream: sockets and ports, kept connections, one that restarts, one that is read while it is hung up."""

from __future__ import annotations

import socketserver
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.ports import free_ports
from tests.web.mcp.gateway_world import GatewayWorld, Upstream
from tests.web.mcp.recording_upstream import Handler
from web.mcp import upstream as ways
from web.mcp.upstream import Upstreams, UpstreamUnreachable, hang_up, read_whole

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
def upstreams() -> Iterator[Upstreams]:
    made = Upstreams()
    yield made
    made.close()


class UnixHandler(Handler):
    disable_nagle_algorithm = False

    def do_POST(self) -> None:  # noqa: N802  # http.server's name
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, {"path": self.path, "host": self.headers["Host"]})


@pytest.mark.parametrize(("suffix", "path"), [("", "/mcp"), ("#/deep/er", "/deep/er")])
def test_an_upstream_may_listen_on_a_unix_socket(upstreams: Upstreams, suffix: str, path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "s"
        with socketserver.ThreadingUnixStreamServer(str(where), UnixHandler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever).start()
            try:
                answer = upstreams.open(f"unix:{where}{suffix}", "POST", HEADERS, PING)
                assert read_whole(answer) == b'{"path": "%s", "host": "localhost"}' % path.encode()
            finally:
                server.shutdown()


def test_a_connection_is_kept_for_the_next_call(upstreams: Upstreams, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "KEPT_IDLE_SECONDS", 60.0)
    ports = set()
    for _ in range(3):
        answer = upstreams.open(upstream.url, "POST", HEADERS, PING)
        ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
        read_whole(answer)
    assert len(ports) == 1


def test_an_upstream_that_restarts_gets_a_moment(upstreams: Upstreams) -> None:
    port = free_ports(1)
    began: list[Any] = []

    def begin() -> None:
        time.sleep(0.3)
        server = socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler)
        server.daemon_threads = True
        began.append(server)
        server.serve_forever()

    thread = threading.Thread(target=begin)
    thread.start()
    try:
        assert upstreams.open(f"http://127.0.0.1:{port}/mcp", "POST", HEADERS, PING).status_code == 200
    finally:
        began[0].shutdown()
        began[0].server_close()
        thread.join()


# httpcore leaves a socket that could not connect to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("where", ["http://127.0.0.1:1/", "unix:/nowhere/at/all", "http://xn--\u00fc/", "http://127.0.0.1:1/\u00e4"])
def test_what_cannot_be_reached_is_unreachable_and_nothing_else(upstreams: Upstreams, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "RECONNECT_PAUSES", ())
    with pytest.raises(UpstreamUnreachable):
        upstreams.open(where, "POST", HEADERS, PING)


def test_an_answer_that_another_thread_reads_can_be_hung_up(upstreams: Upstreams, upstream: Upstream) -> None:
    endless = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"endless"}}'
    answer = upstreams.open(upstream.url, "POST", HEADERS, endless)
    got: list[bytes] = []
    first = threading.Event()

    def read() -> None:
        try:
            for chunk in answer.iter_bytes():
                got.append(chunk)
                first.set()
        except httpx.HTTPError:
            pass

    thread = threading.Thread(target=read)
    thread.start()
    assert first.wait(20)
    hang_up(answer)
    thread.join(20)
    assert not thread.is_alive()
    assert b"progress" in b"".join(got)
    answer.close()
    hang_up(answer)


def test_the_gateway_reaches_its_upstream_through_a_socket(gateway: GatewayWorld) -> None:
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "s"
        with socketserver.ThreadingUnixStreamServer(str(where), UnixHandler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever).start()
            try:
                gateway.add_resource("http://localhost:8001/unix", f"unix:{where}")
                token = gateway.token(resource="http://localhost:8001/unix")
                assert gateway.call("query", token=token, path="/unix").get_json() == {"path": "/mcp", "host": "localhost"}
            finally:
                server.shutdown()
