from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.serving.raw import HOST, Worker, wait_until, worker_of
from web.serving.connection import MAX_HEAD, MAX_HEADERS, MOST_QUEUED

GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST / HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
MALFORMED = {
    "length and chunks": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "the same length twice": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "lengths in a list": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "a length of letters": POST + b"Content-Length: secret\r\n\r\nabc",
    "another coding": POST + b"Transfer-Encoding: secret\r\n\r\nabc",
    "chunked, then not": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunk of letters": CHUNKED + b"secret\r\n",
    "chunk of negative size": CHUNKED + b"-1\r\nabc\r\n",
    "chunk too long for its size": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "chunk of more than 64 bits": CHUNKED + b"fffffffffffffffff\r\n",
    "NUL in a header": GET + b"X: secret\0\r\n\r\n",
    "CR in a header": GET + b"X: secret\rY: 1\r\n\r\n",
    "LF alone": GET + b"X: secret\nY: 1\r\n\r\n",
    "folded": GET + b"X: secret\r\n Y\r\n\r\n",
    "space before the colon": GET + b"X : secret\r\n\r\n",
    "no colon": GET + b"secret\r\n\r\n",
    "no method": b"/ HTTP/1.1\r\n\r\n",
    "no version": b"GET /secret\r\n\r\n",
    "version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "space in the path": b"GET /secret secret HTTP/1.1\r\n\r\n",
    "bytes in the path": b"GET /\xff HTTP/1.1\r\n\r\n",
    "a tunnel": b"CONNECT secret:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "no host": b"GET /secret HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: secret\r\n\r\n",
    "the same host twice": GET + HOST + b"\r\n",
    "two hosts in HTTP/1.0": b"GET /secret HTTP/1.0\r\n" + HOST + HOST + b"\r\n",
    "a target at no host": b"GET http:///secret HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target that names a user": b"GET http://secret@localhost/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03secret",
}
HEADS = {
    "a header": GET + b"X: " + b"a" * MAX_HEAD + b"\r\n\r\n",
    "a path": b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\n\r\n",
    "headers": GET + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1_000) for n in range(70)) + b"\r\n",
    "many headers": GET + b"X: 1\r\n" * MAX_HEADERS + b"\r\n",
    "a header without an end": GET + b"X: " + b"a" * 500_000,
    "a trailer without an end": CHUNKED + b"3\r\nabc\r\n0\r\nX: " + b"a" * 500_000,
}


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker whose time limits are a second."""
    with worker_of(tmp_path_factory.mktemp("hurried"), patience=1) as made:
        yield made


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_refused_and_its_bytes_are_not_logged(worker: Worker, name: str) -> None:
    with worker.connect() as raw:
        answer = raw.send(MALFORMED[name]).answer()
        assert (answer.status, answer.json, answer.headers["connection"]) == (400, {"error": "invalid_request"}, "close")
        assert raw.rest() == b""
    log = worker.log.read_text()
    assert "secret" not in log
    assert all(json.loads(line)["level"] in ("info", "warning", "error") for line in log.splitlines())


@pytest.mark.parametrize("rest", [b"HTTP/1.1\r\n" + HOST, b"HTTP/1.1\r\nHost: other\r\n", b"HTTP/1.0\r\n"])
@pytest.mark.parametrize("target", [b"http://localhost:80/x?y", b"HTTP://localhost:80/x?y"])
def test_a_target_that_names_its_host_is_at_that_host(worker: Worker, target: bytes, rest: bytes) -> None:
    answer = worker.ask(b"GET %s %s\r\n" % (target, rest))
    assert (answer.status, answer.json["HTTP_HOST"], answer.json["PATH_INFO"], answer.json["QUERY_STRING"]) == (200, "localhost:80", "/x", "y")


def test_a_target_may_end_with_its_host(worker: Worker) -> None:
    for query in (b"", b"?y"):
        answer = worker.ask(b"GET http://http%s HTTP/1.1\r\n%s\r\n" % (query, HOST))
        told = answer.json
        assert (answer.status, told["HTTP_HOST"], told["PATH_INFO"], told["QUERY_STRING"]) == (200, "http", "/", query[1:].decode())


def test_a_host_is_not_asked_for_before_http_1_1(worker: Worker) -> None:
    assert worker.ask(b"GET / HTTP/1.0\r\n\r\n").status == 200


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_is_too_large_is_refused(worker: Worker, name: str) -> None:
    with worker.connect() as raw:
        assert raw.send_anyway(HEADS[name]).answer().status == 431
        assert raw.rest() == b""


def test_a_head_that_is_just_small_enough_is_not(worker: Worker) -> None:
    assert worker.ask(GET + b"X: 1\r\n" * (MAX_HEADERS - 1) + b"\r\n").status == 200
    assert worker.ask(GET + b"X: " + b"a" * (MAX_HEAD - 500) + b"\r\n\r\n").status == 200


def test_many_requests_in_one_go_do_not_pass_for_one_large_head(worker: Worker) -> None:
    with worker.connect() as raw:
        large = GET + b"X: " + b"a" * (MAX_HEAD - 1_000) + b"\r\n\r\n"
        raw.send(large * 5)
        assert [raw.answer().status for _ in range(5)] == [200] * 5


@pytest.mark.parametrize("size", [1, 7])
def test_a_request_may_come_in_pieces_of_any_size(worker: Worker, size: int) -> None:
    whole = (CHUNKED + b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n") * 2
    with worker.connect() as raw:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(whole), size):
            raw.send(whole[at : at + size])
        seen = [raw.answer().json for _ in range(2)]
    assert [one["body"] for one in seen] == [5, 5]
    assert not any("HTTP_X_TRAILER" in one for one in seen), "no header comes after the body"


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
INSIDE = b"GET /inside HTTP/1.1\r\n" + HOST + b"\r\n"


def test_who_asks_for_another_protocol_is_answered_in_this_one(worker: Worker) -> None:
    with worker.connect() as raw:
        assert raw.send(GET + UPGRADE + b"\r\n" + GET + b"\r\n").answer().status == 200
        assert raw.answer().status == 200
        assert raw.get("/", b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n").status == 200
        assert raw.get("/").status == 200


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_beside_the_wish_for_another_protocol_is_a_body(worker: Worker, *, chunked: bool, together: bool) -> None:
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(INSIDE), INSIDE) if chunked else INSIDE
    framing = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % len(INSIDE)
    with worker.connect() as raw:
        head = POST + UPGRADE + framing + b"\r\n"
        for part in [head + body] if together else [head, body[:5], body[5:]]:
            raw.send(part)
        answer = raw.answer()
        assert (answer.json["body"], answer.headers["connection"]) == (len(INSIDE), "close")
        assert raw.rest() == b"", "what stands in a body is no request"


def test_requests_sent_together_are_answered_in_order(tmp_path: Path) -> None:
    with worker_of(tmp_path) as worker, worker.connect() as raw:
        raw.send(b"GET /held HTTP/1.1\r\n" + HOST + b"\r\n" + POST + b"Content-Length: 3\r\n\r\nabc" + GET + b"\r\n")
        wait_until(tmp_path / "held")
        (tmp_path / "release").touch()
        assert raw.answer().body == b"held"
        assert [raw.answer().json["body"] for _ in range(2)] == [3, 0]


def test_what_is_malformed_behind_a_good_request_ends_the_connection_after_its_answer(tmp_path: Path) -> None:
    with worker_of(tmp_path) as worker, worker.connect() as raw:
        raw.send(b"GET /held HTTP/1.1\r\n" + HOST + b"\r\n" + GET + b"\r\n" + MALFORMED["folded"] + GET + b"\r\n")
        wait_until(tmp_path / "held")
        (tmp_path / "release").touch()
        assert raw.answer().body == b"held"
        answer = raw.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert raw.rest() == b""


def test_nothing_is_answered_behind_a_last_request(worker: Worker) -> None:
    with worker.connect() as raw:
        assert raw.send(GET + b"Connection: close\r\n\r\n" + GET + b"\r\n").answer().headers["connection"] == "close"
        assert raw.rest() == b""


def test_only_so_many_requests_may_wait_for_an_earlier_one(tmp_path: Path) -> None:
    with worker_of(tmp_path) as worker, worker.connect() as raw:
        raw.send(b"GET /held HTTP/1.1\r\n" + HOST + b"\r\n" + (GET + b"\r\n") * (MOST_QUEUED + 50))
        wait_until(tmp_path / "held")
        (tmp_path / "release").touch()
        assert raw.answer().body == b"held"
        assert raw.rest().count(b"HTTP/1.1 200") == MOST_QUEUED


def test_a_client_that_leaves_is_noticed_with_another_request_behind(tmp_path: Path) -> None:
    with worker_of(tmp_path) as worker:
        with worker.connect() as raw:
            raw.send(b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n" + GET + b"\r\n")
            raw.until(b"line\n")
        wait_until(tmp_path / "closed")


@pytest.mark.parametrize("begun", [b"", GET, POST + b"Content-Length: 3\r\n\r\na", CHUNKED + b"3\r\nabc\r\n", GET + b"\r\n" + GET])
def test_a_client_that_stops_in_the_middle_is_not_waited_for(hurried: Worker, begun: bytes) -> None:
    with hurried.connect() as raw:
        assert raw.send(begun).rest().count(b"HTTP/1.1 200") == begun.count(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")


def test_a_connection_without_a_request_is_closed(hurried: Worker) -> None:
    with hurried.connect() as raw:
        assert raw.get("/").status == 200
        assert raw.rest() == b""


def test_a_client_that_does_not_read_is_left(tmp_path: Path) -> None:
    with worker_of(tmp_path, patience=1) as worker, worker.connect() as raw:
        raw.send(b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n").until(b"line\n")
        wait_until(tmp_path / "closed", patience=200)


def test_time_is_not_up_for_a_client_that_waits_for_us(tmp_path: Path) -> None:
    with worker_of(tmp_path, patience=1) as worker, worker.connect() as raw:
        raw.send(b"GET /held HTTP/1.1\r\n" + HOST + b"\r\n")
        wait_until(tmp_path / "held")
        for _ in range(2):
            with worker.connect() as idle:
                assert idle.rest() == b"", "another's time is up"
        (tmp_path / "release").touch()
        assert raw.answer().body == b"held"


def test_the_end_waits_for_what_has_begun(tmp_path: Path) -> None:
    with worker_of(tmp_path) as worker, worker.connect() as raw, worker.connect() as idle:
        assert idle.get("/").status == 200
        raw.send(b"GET /held HTTP/1.1\r\n" + HOST + b"\r\n")
        wait_until(tmp_path / "held")
        worker.process.terminate()
        assert idle.rest() == b"", "what waits for nothing is closed at once"
        (tmp_path / "release").touch()
        answer = raw.answer()
        assert (answer.body, answer.headers["connection"]) == (b"held", "close")
        assert worker.end() == 0


def test_the_end_breaks_off_what_does_not_end(tmp_path: Path) -> None:
    with worker_of(tmp_path) as worker, worker.connect() as raw:
        raw.send(b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n").until(b"line\n")
        assert worker.end() == 0
        assert (tmp_path / "closed").exists()
    assert "Traceback" not in worker.log.read_text()
