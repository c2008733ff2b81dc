from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import pytest

from tests.web.serving.raw import HOST, Raw, Worker, wait_until, worker_of
from web.app import MAX_BODY
from web.serving import environ
from web.serving.wsgi import MOST_INSIDE

CHUNKED = b"Transfer-Encoding: chunked\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def post(path: str, headers: bytes, body: bytes = b"") -> bytes:
    return b"POST %s HTTP/1.1\r\n%s%s\r\n%s" % (path.encode(), HOST, headers, body)


def test_the_application_sees_the_request_as_pep_3333_wants_it(worker: Worker) -> None:
    headers = b"X-A: 1\r\nx-a: 2\r\nCookie: a=1\r\nCookie: b=2\r\nContent-Type: text/x\r\nX-Latin: \xe9\r\n"
    with worker.connect() as raw:
        seen = raw.get("/a%20b%C3%A9%ff?x=%41&y", headers).json
    assert seen["PATH_INFO"].encode("latin-1") == b"/a b\xc3\xa9\xff"
    assert (seen["QUERY_STRING"], seen["SCRIPT_NAME"], seen["REQUEST_METHOD"]) == ("x=%41&y", "", "GET")
    assert (seen["HTTP_X_A"], seen["HTTP_COOKIE"], seen["CONTENT_TYPE"], seen["HTTP_X_LATIN"]) == ("1,2", "a=1; b=2", "text/x", "\xe9")
    assert (seen["REMOTE_ADDR"], seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("127.0.0.1", "127.0.0.1", str(worker.port))
    assert (seen["SERVER_PROTOCOL"], seen["wsgi.url_scheme"]) == ("HTTP/1.1", "http")
    assert "HTTP_CONTENT_TYPE" not in seen


def test_a_header_with_an_underscore_does_not_pass_for_one_with_a_hyphen(worker: Worker) -> None:
    with worker.connect() as raw:
        assert "HTTP_X_FORWARDED_FOR" not in raw.get("/", b"X_Forwarded_For: 203.0.113.1\r\nX-Forwarded_For: 203.0.113.2\r\n").json


def test_the_name_of_a_header_that_is_long_is_read_and_not_remembered() -> None:
    scope = {"raw_path": b"/", "query_string": b"", "server": None, "client": None, "scheme": "http", "method": "GET", "http_version": "1.1"}
    before = environ._in_environ.cache_info().currsize
    found = environ.environ_of({**scope, "headers": [(b"x-" + b"a" * 10_000, b"1")]}, b"")
    assert found["HTTP_X_" + "A" * 10_000] == "1"
    assert environ._in_environ.cache_info().currsize == before


def test_an_answer_names_the_time_and_no_program(worker: Worker) -> None:
    with worker.connect() as raw:
        headers = raw.get("/").headers
    assert headers["date"].endswith(" GMT")
    assert "server" not in headers


@pytest.mark.parametrize("size", [0, 1, 70_000, MAX_BODY])
def test_a_body_arrives_whole_however_it_is_framed(worker: Worker, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    parts = b"".join(chunk(body[at : at + 50_000]) for at in range(0, size, 50_000)) + chunk(b"")
    for request in (post("/", b"Content-Length: %d\r\n" % size, body), post("/", CHUNKED, parts)):
        seen = worker.ask(request).json
        assert (seen["body"], seen["CONTENT_LENGTH"], seen["sha"]) == (size, str(size), hashlib.sha256(body).hexdigest())
        assert "HTTP_TRANSFER_ENCODING" not in seen


def test_a_body_that_is_told_to_be_too_large_is_not_waited_for(worker: Worker) -> None:
    with worker.connect() as raw:
        answer = raw.send(post("/too-large", b"Content-Length: %d\r\nExpect: 100-continue\r\n" % (1 << 40))).answer()
        assert (answer.status, answer.body, answer.headers["connection"]) == (413, b"%d" % (1 << 40), "close")
        assert raw.rest() == b""


def test_a_body_in_chunks_that_grows_too_large_is_answered_while_the_client_still_sends(worker: Worker) -> None:
    with worker.connect() as raw:
        raw.send(post("/too-large", CHUNKED))
        for _ in range(40):
            raw.send_anyway(chunk(b" " * 20_000))
        answer = raw.answer()
        assert (answer.status, answer.body, answer.headers["connection"]) == (413, b"%d" % (MAX_BODY + 1), "close")


def test_who_asks_before_sending_a_body_is_told_to_go_on(worker: Worker) -> None:
    with worker.connect() as raw:
        raw.send(post("/", b"Content-Length: 3\r\nExpect: 100-continue\r\n"))
        assert raw.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert raw.send(b"abc").answer().json["body"] == 3


def test_a_client_that_goes_away_closes_what_is_made_for_it_and_no_more_is_made_than_it_takes(tmp_path: Path) -> None:
    with worker_of(tmp_path) as worker:
        with worker.connect() as raw:
            raw.send(b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n")
            for _ in range(200):
                raw.until(b"line\n")
            assert not (tmp_path / "closed").exists()
        wait_until(tmp_path / "closed")
        assert int((tmp_path / "closed").read_text() or 0) < 32_000, "thousands of bytes"


def test_slow_readers_hold_up_nobody_else(tmp_path: Path) -> None:
    with worker_of(tmp_path, threads=1) as worker, worker.connect() as slow, worker.connect() as other, worker.connect() as raw:
        for one in (slow, other):
            one.send(b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n")
        slow.until(b"line\n")
        assert raw.get("/").status == 200
        assert raw.get("/").status == 200


def test_a_piece_of_a_stream_leaves_before_the_next_is_made(tmp_path: Path) -> None:
    with worker_of(tmp_path) as worker, worker.connect() as raw:
        raw.send(b"GET /waiting HTTP/1.1\r\n" + HOST + b"\r\n")
        assert raw.until(b"first").startswith(b"HTTP/1.1 200 OK")
        (tmp_path / "release").touch()
        assert raw.until(b"0\r\n\r\n").endswith(b" second\r\n0\r\n\r\n")
        assert raw.get("/").status == 200


def test_a_stream_that_breaks_off_is_seen_to_and_its_cause_is_not(worker: Worker) -> None:
    with worker.connect() as raw:
        raw.send(b"GET /breaking HTTP/1.1\r\n" + HOST + b"\r\n")
        read = raw.rest()
    assert read.endswith(b"some\r\n")
    assert b"the cause" not in read
    assert any(line["event"] == "an answer broke off" for line in map(json.loads, worker.log.read_text().splitlines()))


def test_a_mistake_shows_no_cause(worker: Worker) -> None:
    with worker.connect() as raw:
        answer = raw.get("/raising")
        assert (answer.status, answer.json) == (500, {"error": "server_error"})
        assert raw.get("/").status == 200


def test_an_application_may_start_late_and_write(worker: Worker) -> None:
    with worker.connect() as raw:
        assert raw.get("/lazy").body == b"written made"


@pytest.mark.parametrize(("method", "path"), [("HEAD", "/"), ("HEAD", "/endless"), ("GET", "/status/204"), ("GET", "/status/304")])
def test_what_has_no_body_sends_none_and_the_connection_goes_on(worker: Worker, method: str, path: str) -> None:
    with worker.connect() as raw:
        raw.send(b"%s %s HTTP/1.1\r\n%s\r\n" % (method.encode(), path.encode(), HOST))
        answer = raw.answer(bodiless=True)
        assert "transfer-encoding" not in answer.headers
        assert ("content-length" in answer.headers) == (path == "/")
        assert raw.get("/").status == 200


def test_more_requests_than_may_wait_are_told_to_come_again(tmp_path: Path) -> None:
    with worker_of(tmp_path, threads=1) as worker, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(Raw(worker.port)).send(b"GET /held HTTP/1.1\r\n" + HOST + b"\r\n") for _ in range(MOST_INSIDE + 20)]
        refused = [one.answer() for one in waiting[MOST_INSIDE:]]
        assert {(a.status, a.headers["retry-after"], a.body) for a in refused} == {(503, "1", b'{"error":"temporarily_unavailable"}')}
        (tmp_path / "release").touch()
        assert {one.answer().body for one in waiting[:MOST_INSIDE]} == {b"held"}
        assert waiting[-1].get("/").status == 200, "a refusal ends no connection"
