"""Requests that are answered on the loop itself, by a protocol whose other side is made up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from io import BytesIO
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from infrastructure.logs import configure_logs
from infrastructure.tasks import aside
from tests.support.on_the_loop import OnTheLoop, on_the_loop
from web.access_log import AccessLog
from web.front import Front
from web.oauth.answers import Answer
from web.serving import quick
from web.serving.connection import MOST_QUEUED
from web.serving.quick import QuickProtocol
from web.serving.wsgi import ThreadedWsgi

REQUEST = b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\na=b"
DONE = Answer(200, [], b"done")


class OtherSide(asyncio.Transport):
    """What a client would have got, and whether it is listened to."""

    def __init__(self) -> None:
        super().__init__()
        self.got, self.reading = b"", True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.got += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False

    @property
    def answers(self) -> int:
        return self.got.count(b"HTTP/1.1 ")


Attack = Callable[[QuickProtocol, OtherSide], Coroutine[Any, Any, None]]


@pytest.fixture
def loop() -> Iterator[OnTheLoop]:
    with on_the_loop() as made:
        yield made


def front_of(answer: Callable[[], Answer]) -> AccessLog:
    """Our layers around whatever answers."""
    front = Front.__new__(Front)
    front.extra = []
    front.way = lambda *_: lambda _: answer()  # type: ignore[method-assign]  # its names are part of the method's type
    return AccessLog(front, "web")


def drive(loop: OnTheLoop, app: AccessLog, attack: Attack) -> OtherSide:
    """Let `attack` speak to a connection of a server with this application."""
    served, other = ThreadedWsgi(app, 2), OtherSide()
    config = uvicorn.Config(cast(Any, served), interface="asgi3", log_config=None, ws="none", proxy_headers=False)
    config.load()

    async def run() -> None:
        protocol = QuickProtocol(config, ServerState(), {}, loop.loop)
        protocol.connection_made(other)
        await attack(protocol, other)
        await until(lambda: not protocol.tasks)

    loop.await_(run())
    served.end()
    return other


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # what is waited for tells no event
        await asyncio.sleep(0)


class Full(BytesIO):
    """A log without space."""

    def write(self, _: object) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("layers", [0, 1])
def test_a_log_without_space_changes_no_answer(loop: OnTheLoop, layers: int) -> None:
    async def attack(protocol: QuickProtocol, other: OtherSide) -> None:
        protocol.data_received(REQUEST * 2)
        await until(lambda: other.answers >= 2)

    configure_logs("json", stream=Full())
    app = front_of(lambda: DONE)
    for _ in range(layers):
        app.inner = partial(app.inner)
    other = drive(loop, app, attack)
    assert (other.answers, other.got.count(b"200 OK"), other.got.count(b"done")) == (2, 2, 2)


def test_who_does_not_read_gets_no_further_answers(loop: OnTheLoop) -> None:
    async def attack(protocol: QuickProtocol, other: OtherSide) -> None:
        protocol.data_received(REQUEST)
        await until(lambda: other.answers == 1)
        protocol.pause_writing()
        protocol.data_received(REQUEST * 3)
        await asyncio.sleep(0.05)
        assert other.answers == 1
        protocol.resume_writing()
        await until(lambda: other.answers == 4)

    drive(loop, front_of(lambda: DONE), attack)


def test_who_only_sends_is_not_listened_to_for_ever(loop: OnTheLoop) -> None:
    async def attack(protocol: QuickProtocol, other: OtherSide) -> None:
        protocol.pause_writing()
        protocol.data_received(REQUEST * (MOST_QUEUED + 2))
        assert protocol.transport.deaf
        await asyncio.sleep(0.05)
        for _ in range(20):
            protocol.data_received(bytes(100_000))
        assert not other.reading
        protocol.resume_writing()
        await until(lambda: other.answers == MOST_QUEUED + 1)

    drive(loop, front_of(lambda: DONE), attack)


@pytest.mark.parametrize("failing", ["the line of the request", "every line"])
def test_a_log_that_cannot_be_written_changes_no_answer(loop: OnTheLoop, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quick, "log_request", full)
    if failing == "every line":
        monkeypatch.setattr(quick, "get_logger", full)

    async def attack(protocol: QuickProtocol, other: OtherSide) -> None:
        protocol.data_received(REQUEST * 2)
        await until(lambda: other.answers >= 2)
        await asyncio.sleep(0.05)

    other = drive(loop, front_of(lambda: aside(lambda: DONE)), attack)
    assert (other.answers, other.got.count(b"200 OK"), other.got.count(b"done")) == (2, 2, 2)
