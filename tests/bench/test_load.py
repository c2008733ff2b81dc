from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs

import pytest

from bench.load import Job, Outcome, Running

HEAD = b"POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"


class Rotating(BaseHTTPRequestHandler):
    """Answers each token once with its successor, like a token endpoint; `bad` with 400."""

    protocol_version = "HTTP/1.1"
    spent: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        token = parse_qs(body)["refresh_token"][0]
        good = not token.startswith("bad") and token not in self.spent
        self.spent.add(token)
        answer = f'{{"access_token":"a","refresh_token":"{token}x"}}'.encode() if good else b'{"error":"invalid_grant"}'
        self.send_response(200 if good else 400)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    Rotating.spent.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Rotating) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def job(port: int, items: list[bytes], **changes: object) -> Job:
    facts: dict[str, object] = {"head": HEAD, "mode": "refresh", "items": items, "prefix": b"refresh_token=", "holds": (b'"access_token"',)}
    return Job(port, **{**facts, **changes})  # type: ignore[arg-type]  # the facts of a job


def test_each_answer_gives_the_next_token_of_its_session_and_none_is_lost(port: int) -> None:
    outcome = Running(job(port, [b"a", b"b", b"c", b"d"]), 2, 2.0, 0.1).result()
    assert outcome.good > 0
    assert not outcome.bad
    assert sorted(item[:1] for item in outcome.items) == [b"a", b"b", b"c", b"d"]


def test_an_unexpected_answer_is_counted_and_told_and_its_session_is_dropped(port: int) -> None:
    outcome = Running(job(port, [b"good", b"bad"]), 1, 2.0, 0.0).result()
    assert list(outcome.bad.values()) == [1]
    assert "invalid_grant" in next(iter(outcome.bad))
    assert [item[:4] for item in outcome.items] == [b"good"]


def test_items_to_be_sent_once_run_dry(port: int) -> None:
    outcome = Running(job(port, [b"1", b"2", b"3"], mode="once"), 1, 5.0, 0.0).result()
    assert (outcome.good, outcome.ran_dry, outcome.items) == (3, True, [])


def test_a_quantile_is_one_of_the_latencies_in_milliseconds() -> None:
    outcome = Outcome(latencies=[0.004, 0.001, 0.002, 0.003, 0.005])
    assert (outcome.quantile(0.5), outcome.quantile(0.99), outcome.quantile(0.0)) == (3.0, 5.0, 1.0)
    assert Outcome().quantile(0.5) == 0.0
