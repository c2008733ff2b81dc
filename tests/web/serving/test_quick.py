"""What a web worker answers on its event loop: the same as the application would, in order, and without ever holding up the loop."""

from __future__ import annotations

import json
import queue
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from msgspec import structs
from werkzeug.test import Client

from domain.base import Sealed
from infrastructure.tasks import Task, aside
from tests.support.loop_client import LoopClient
from tests.support.oauth_world import CALLBACK, World, oauth_world
from tests.support.postgres import Database
from tests.web.serving.raw import Answer, Raw
from web.access_log import AccessLog
from web.app import create_app
from web.front import Front
from web.oauth.answers import Answer as OwnAnswer
from web.served import served
from web.serving import quick
from web.serving.quick import QuickProtocol

FORM = "application/x-www-form-urlencoded"
OF_THE_MOMENT = {"date", "x-request-id", "content-length", "connection"}


@pytest.fixture(scope="module")
def shared(module_database: Database) -> Iterator[World]:
    with oauth_world(module_database) as world:
        yield world


def message(method: str, path: str, body: bytes = b"", *more: str, version: str = "1.1", host: str = "localhost:8000") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", f"Host: {host}", *more]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def posted(path: str, *more: str, **fields: str) -> bytes:
    return message("POST", path, urlencode(fields).encode(), f"Content-Type: {FORM}", *more)


def asked(world: World, data: bytes) -> Answer:
    with Raw(world.worker.port) as raw:
        return raw.send(data).answer(bodiless=data.startswith(b"HEAD"))


CASES: dict[str, tuple[str, str, bytes, dict[str, str]]] = {
    "no grant type": ("POST", "/oauth/token", b"a=b", {}),
    "unknown grant type": ("POST", "/oauth/token", b"grant_type=password", {}),
    "unknown client": ("POST", "/oauth/token", b"grant_type=refresh_token&client_id=app_x&refresh_token=y", {}),
    "a secret": ("POST", "/oauth/token", b"grant_type=refresh_token&client_id=app_x&client_secret=y", {}),
    "repeated parameter": ("POST", "/oauth/token", b"grant_type=a&grant_type=b", {}),
    "no UTF-8": ("POST", "/oauth/token", b"grant_type=%ff", {}),
    "basic that can't be read": ("POST", "/oauth/token", b"grant_type=refresh_token", {"Authorization": "Basic ?"}),
    "nobody introspects": ("POST", "/oauth/introspect", b"token=x", {}),
    "a stranger introspects": ("POST", "/oauth/introspect", b"token=x", {"Authorization": "Basic eDp5"}),
    "metadata that is none": ("POST", "/oauth/register", b"{", {"Content-Type": "application/json"}),
    "metadata of another type": ("POST", "/oauth/register", b"{}", {"Content-Type": "text/plain"}),
    "metadata without redirects": ("POST", "/oauth/register", b'{"client_name":"x"}', {"Content-Type": "application/json"}),
    "another charset": ("POST", "/oauth/token", b"grant_type=x", {"Content-Type": f"{FORM}; charset=latin-1"}),
    "JSON for a form": ("POST", "/oauth/token", b"{}", {"Content-Type": "application/json"}),
    "a query": ("POST", "/oauth/token?x=1", b"grant_type=x", {}),
    "another method": ("GET", "/oauth/token", b"", {}),
    "server metadata": ("GET", "/.well-known/oauth-authorization-server", b"", {}),
    "keys": ("GET", "/.well-known/jwks.json", b"", {}),
    "resource metadata": ("GET", "/.well-known/oauth-protected-resource/api/v1", b"", {}),
    "no such document": ("GET", "/.well-known/nothing", b"", {}),
    "head of a document": ("HEAD", "/.well-known/jwks.json", b"", {}),
    "a stranger revokes": ("POST", "/oauth/revoke", b"token=x&client_id=app_x", {}),
    "nothing is revoked": ("POST", "/oauth/revoke", b"client_id=app_x", {}),
    "alive": ("GET", "/healthz", b"", {}),
    "alive, without words": ("HEAD", "/healthz", b"", {}),
    "a preflight": ("OPTIONS", "/oauth/token", b"", {"Origin": "https://app.example"}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_answer_is_the_applications_own(shared: World, name: str) -> None:
    method, path, body, headers = CASES[name]
    headers = {"Content-Type": FORM, **headers} if body else headers
    here = asked(shared, message(method, path, body, *(f"{name}: {value}" for name, value in headers.items())))
    there: Any = Client(AccessLog(shared.http.application, "web")).open(
        path, method=method, data=body or None, headers=headers, base_url="http://localhost:8000"
    )
    told = {name.lower(): value for name, value in there.headers.items()}
    assert here.status == there.status_code
    assert {n: v for n, v in here.headers.items() if n not in OF_THE_MOMENT} == {n: v for n, v in told.items() if n not in OF_THE_MOMENT}
    own, other = here.body.decode(), "" if method == "HEAD" else there.text
    assert own.replace(here.headers["x-request-id"], "ID") == other.replace(told["x-request-id"], "ID")


def test_revocation_and_liveness_wait_for_no_thread(shared: World) -> None:
    """All may be taken: by a provider that does not answer, by passwords, by a database that is silent."""
    client = shared.client_id()
    token = shared.tokens(client)["access_token"]
    gate = threading.Event()
    given_up = threading.Timer(20, gate.set)
    given_up.start()
    for _ in range(4):
        shared.worker._wsgi.pool.submit(gate.wait, 60)
    answers = [asked(shared, data) for data in (message("GET", "/healthz"), posted("/oauth/revoke", client_id=client, token=token))]
    in_time = not gate.is_set()
    gate.set()
    given_up.cancel()
    assert in_time
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json == {"status": "ok"}
    assert not shared.introspect(token)["active"]


def test_a_document_that_is_known_is_not_sent_again(shared: World) -> None:
    first = asked(shared, message("GET", "/.well-known/jwks.json"))
    with Raw(shared.worker.port) as raw:
        again = raw.send(message("GET", "/.well-known/jwks.json", b"", f"If-None-Match: {first.headers['etag']}")).answer(bodiless=True)
        assert (again.status, again.headers.get("content-length"), again.headers["etag"]) == (304, None, first.headers["etag"])
        assert raw.send(message("GET", "/.well-known/jwks.json")).answer().body == first.body


def test_requests_sent_together_are_answered_in_order_whichever_way_they_go(shared: World) -> None:
    client = shared.client_id()
    first = shared.tokens(client)["refresh_token"]
    refresh = posted("/oauth/token", grant_type="refresh_token", client_id=client, refresh_token=first)
    with Raw(shared.worker.port) as raw:
        raw.send(refresh + message("GET", "/healthz") + posted("/oauth/token", grant_type="x") + message("GET", "/.well-known/jwks.json"))
        answers = [raw.answer() for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 400, 200]
    assert "access_token" in answers[0].json
    assert answers[2].json["error"] == "unsupported_grant_type"
    assert "keys" in answers[3].json


def test_a_body_may_come_in_pieces_or_after_it_was_asked_for(shared: World) -> None:
    data = posted("/oauth/token", grant_type="x")
    with Raw(shared.worker.port) as raw:
        for n in range(len(data)):
            raw.send(data[n : n + 1])
        assert raw.answer().json["error"] == "unsupported_grant_type"
        head, _, body = posted("/oauth/token", "Expect: 100-continue", grant_type="x").partition(b"\r\n\r\n")
        raw.send(head + b"\r\n\r\n")
        assert raw.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100")
        assert raw.send(body).answer().json["error"] == "unsupported_grant_type"
        chunked = message("POST", "/oauth/token", b"", f"Content-Type: {FORM}", "Transfer-Encoding: chunked")
        assert raw.send(chunked + b"c\r\ngrant_type=x\r\n0\r\n\r\n").answer().json["error"] == "unsupported_grant_type"


@pytest.mark.parametrize(("version", "more"), [("1.0", ()), ("1.1", ("Connection: close",))])
def test_a_connection_that_is_to_end_ends_after_its_answer(shared: World, version: str, more: tuple[str, ...]) -> None:
    with Raw(shared.worker.port) as raw:
        answer = raw.send(message("GET", "/.well-known/jwks.json", b"", *more, version=version)).answer()
        assert (answer.status, answer.headers["connection"].lower()) == (200, "close")
        assert raw.rest() == b""


def test_a_header_that_is_there_twice_counts_as_it_does_for_the_application(shared: World) -> None:
    twice = posted("/oauth/token", "Authorization: Basic eDo=", "Authorization: Basic eTo=", grant_type="refresh_token")
    slow = posted("/oauth/token?x", "Authorization: Basic eDo=", "Authorization: Basic eTo=", grant_type="refresh_token")
    quick, there = asked(shared, twice), asked(shared, slow)
    assert (quick.status, quick.body) == (there.status, there.body)


def test_what_was_found_out_about_a_head_is_used_for_no_other(shared: World) -> None:
    def asking(user: str, **fields: str) -> bytes:
        return posted("/oauth/token", f"Authorization: Basic {b64encode(user.encode()).decode()}", grant_type="refresh_token", **fields)

    def told(data: bytes) -> tuple[int, str]:
        answer = raw.send(data).answer()
        return answer.status, answer.json["error"]

    with Raw(shared.worker.port) as raw:
        for _ in range(2):
            assert told(asking("a:")) == (400, "invalid_request")
            assert told(asking("a:b")) == (401, "invalid_client")
            assert told(asking("a:", refresh_token="b")) == (401, "invalid_client")
            assert told(posted("/oauth/token", grant_type="xyz")) == (400, "unsupported_grant_type")
            assert told(posted("/oauth/token", grant_typo="xyz")) == (400, "invalid_request")
        raw.send(posted("/oauth/token", grant_type="xyz") * 2)
        assert [raw.answer().json["error"] for _ in range(2)] == ["unsupported_grant_type"] * 2


@pytest.mark.parametrize("way", ["in one piece", "in two pieces"])
def test_behind_a_trusted_proxy_nothing_takes_the_long_way(shared: World, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(QuickProtocol, "_answer_as_wsgi", None)
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr("web.access_log.info_line", lambda line, _: lines.append(structs.asdict(line)))
    document = json.dumps({"client_name": "Tool", "redirect_uris": [CALLBACK]}).encode()
    forwarded = "X-Forwarded-For: 198.51.100.9, 198.51.100.8"
    data = message("POST", "/oauth/register", document, "Content-Type: application/json", forwarded)
    client = LoopClient(served(replace(shared.app.settings, trusted_proxies=1), Front(shared.app, create_app(shared.app)), "web"))
    try:
        with Raw(client.port) as raw:
            first, second = (data, b"") if way == "in one piece" else (data[:20], data[20:])
            answer = raw.send(first).send(second).answer()
    finally:
        client.close()
    assert answer.status == 201
    (event,) = shared.events(answer.json["client_id"].removeprefix("app_"))
    assert isinstance(event.address, Sealed)
    assert shared.app.keyring.open(event.address, f"{event.originator_id}:{event.originator_version}") == "198.51.100.8"
    assert [line["peer"] for line in lines] == ["198.51.100.8"]


def test_each_request_is_logged_once_with_the_id_that_it_was_told(shared: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr("web.access_log.info_line", lambda line, _: lines.append(structs.asdict(line)))
    told = [asked(shared, posted(path, grant_type="x")).headers["x-request-id"] for path in ("/oauth/token", "/oauth/token?x=1", "/oauth/revoke")]
    assert [(line["request"], line["method"], line["status"]) for line in lines] == [
        (told[0], "POST", 400),
        (told[1], "POST", 400),
        (told[2], "POST", 401),
    ]
    assert {line["path"] for line in lines} == {"/oauth/token", "/oauth/revoke"}


def test_a_layer_around_the_front_is_passed_through(shared: World) -> None:
    served = shared.worker._wsgi.app
    inner = served.inner  # type: ignore[attr-defined]
    served.inner = lambda *given: inner(*given)  # type: ignore[attr-defined]  # noqa: PLW0108  # a layer, not the front itself
    try:
        answer = asked(shared, posted("/oauth/token", grant_type="x"))
    finally:
        served.inner = inner  # type: ignore[attr-defined]
    assert (answer.status, answer.json["error"]) == (400, "unsupported_grant_type")
    assert answer.headers["x-request-id"]


def test_beyond_so_many_at_once_requests_are_the_threads_which_say_when_they_are_too_many(shared: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the database is silent, and however many clients come, leave and come again meanwhile."""
    gate, threads = threading.Event(), queue.Queue[str]()

    def way(_front: object, _method: str, path: str, *_: object) -> Any:
        def answered(_: bytes) -> OwnAnswer:
            threads.put(threading.current_thread().name)
            if path != "/healthz":
                aside(partial(gate.wait, 60))
            return OwnAnswer(200, [], b"")

        return answered

    monkeypatch.setattr("web.front.Front.way", way)
    monkeypatch.setattr(quick, "MOST_UNDER_WAY", 2)
    with ExitStack() as stack:
        connections = [stack.enter_context(Raw(shared.worker.port)) for _ in range(3)]
        names = []
        for raw in connections:
            raw.send(posted("/oauth/token", a="b"))
            names.append(threads.get(timeout=60))
        for more in ((), ("X_Odd: for the parser",)):
            assert asked(shared, message("GET", "/healthz", b"", *more)).status == 200
            names.append(threads.get(timeout=60))
        gate.set()
        assert [raw.answer().status for raw in connections] == [200] * 3
    assert [name.startswith("wsgi") for name in names] == [False, False, True, False, False]  # liveness waits for nothing


def test_twenty_refreshes_with_one_token_at_once_give_one_successor(shared: World) -> None:
    client = shared.client_id()
    first = shared.tokens(client)["refresh_token"]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: shared.refresh(client, first), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.get_json()["refresh_token"] for answer in answers}) == 1


class Watched:
    """A lock that knows which threads hold how many of its kind."""

    holding = threading.local()

    def __init__(self) -> None:
        self._lock = _allocate()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        taken = self._lock.acquire(blocking, timeout)
        if taken:
            self.holding.count = getattr(self.holding, "count", 0) + 1
        return taken

    def release(self) -> None:
        self.holding.count = getattr(self.holding, "count", 0) - 1
        self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()

    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()


_allocate = threading.Lock


def test_no_request_gives_way_with_a_lock_in_its_hands(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waited for it on the loop's thread would wait for ever."""
    give_way, held = Task.give_way, []

    def watched(task: Task) -> Any:
        held.append(getattr(Watched.holding, "count", 0))
        return give_way(task)

    monkeypatch.setattr(Task, "give_way", watched)
    monkeypatch.setattr(threading, "Lock", Watched)
    with oauth_world(database) as world:
        world.app.keyring.forget_all()
        document = json.dumps({"client_name": "Tool", "redirect_uris": [CALLBACK]}).encode()
        made = asked(world, message("POST", "/oauth/register", document, "Content-Type: application/json")).json
        code = world.approve(made["client_id"])["code"]
        world.app.access_tokens.forget()
        tokens = world.exchange(made["client_id"], code).get_json()
        world.app.access_tokens.forget()
        world.app.keyring.forget_all()
        assert world.introspect(tokens["access_token"])["active"]
        renewed = world.refresh(made["client_id"], tokens["refresh_token"]).get_json()
        world.refresh(made["client_id"], tokens["refresh_token"])
        assert asked(world, message("GET", "/.well-known/jwks.json")).status == 200
        assert world.exchange(made["client_id"], code).status_code == 400
        again = world.tokens(made["client_id"])
        assert asked(world, posted("/oauth/revoke", client_id=made["client_id"], token=again["access_token"])).status == 200
        assert world.refresh(made["client_id"], renewed["refresh_token"]).status_code == 400
    assert len(held) > 10
    assert set(held) == {0}


def test_what_breaks_inside_is_an_answer(shared: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: AccessLog, environ: dict[str, Any], start: Any) -> Any:
        raise ValueError("the cause")

    monkeypatch.setattr(AccessLog, "__call__", broken)
    monkeypatch.setattr("web.front.Front.way", lambda *_: 1 // 0)
    answer = asked(shared, posted("/oauth/token", grant_type="x"))
    assert answer.status == 500
    assert b"cause" not in answer.body
