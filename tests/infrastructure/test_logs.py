from __future__ import annotations

import asyncio
import io
import json
import logging
from datetime import datetime
from select import PIPE_BUF
from typing import Any, Literal

import msgspec
import pytest

from infrastructure.clock import now
from infrastructure.logs import SECRET_FIELDS, configure_logs, get_logger, info_line
from tests.support import asynchronous


class Said(msgspec.Struct):
    module: str
    path: str
    status: int
    event: str
    level: str
    timestamp: datetime


def said() -> Said:
    return Said("web", "/oauth/token", 200, "request", "info", now())


SECRETS = (
    *("authorization", "code", "refresh_token", "access_token", "password", "client_secret"),
    *("token", "code_verifier", "cookie", "csrf_token", "registration_access_token"),
)


def _lines(log: Literal["pretty", "json"]) -> io.BytesIO:
    out = io.BytesIO()
    configure_logs(log, stream=out)
    return out


def test_a_line_of_json_holds_the_event_its_fields_and_the_time() -> None:
    out = _lines("json")
    get_logger("web.oauth").info("token_issued", client_id="app_1", status=200)
    line = json.loads(out.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "token_issued", "level": "info", "module": "web.oauth", "client_id": "app_1", "status": 200}


@pytest.mark.parametrize("log", ["json", "pretty"])
@pytest.mark.parametrize("name", SECRETS)
def test_secrets_never_reach_a_line_however_they_are_spelt_or_nested(log: Literal["pretty", "json"], name: str) -> None:
    out = _lines(log)
    logger = get_logger("x")
    logger.info("flat", **{name: "swordfish", name.title(): "swordfish", "kept": 1})
    logger.info("nested", form={name: "swordfish", "deeper": {name.upper(): "swordfish"}, "kept": 1})
    said = out.getvalue().decode()
    assert "swordfish" not in said
    assert said.count("kept") == 2
    assert name in SECRET_FIELDS


@pytest.mark.parametrize("log", ["json", "pretty"])
def test_loggers_of_libraries_end_in_the_same_stream(log: Literal["pretty", "json"]) -> None:
    out = _lines(log)
    logging.getLogger(f"some.library.{log}").warning("lost %s", "connection")
    logging.getLogger("httpx").info("GET https://example.com/?code=swordfish")
    assert b"lost connection" in out.getvalue()
    assert b"swordfish" not in out.getvalue()


@pytest.mark.parametrize("log", ["json", "pretty"])
def test_a_traceback_shows_no_local_variables(log: Literal["pretty", "json"]) -> None:
    out = _lines(log)
    hidden = "sword" + "fish"
    try:
        int("x" + hidden[:0])
    except ValueError:
        get_logger("x").exception("failed")
    assert b"ValueError" in out.getvalue()
    assert hidden.encode() not in out.getvalue()


def test_a_value_that_json_does_not_know_is_written_as_text() -> None:
    out = _lines("json")
    get_logger("x").info("odd", path=io.BytesIO)
    assert "BytesIO" in json.loads(out.getvalue())["path"]


def test_debug_is_silent_unless_asked_for() -> None:
    out = _lines("json")
    get_logger("x").debug("quiet")
    assert out.getvalue() == b""


def test_an_info_line_is_written_as_the_logger_writes_it() -> None:
    out = _lines("json")
    get_logger("web").info("request", path="/oauth/token", status=200)
    info_line(said())
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert first.pop("timestamp")[:11] == second.pop("timestamp")[:11]
    assert list(first.items()) == list(second.items())


def test_an_info_line_is_readable_where_lines_are_for_people() -> None:
    out = _lines("pretty")
    info_line(said())
    assert b"/oauth/token" in out.getvalue()
    assert b"{" not in out.getvalue()


def test_an_info_line_is_left_out_where_less_is_logged() -> None:
    out = io.BytesIO()
    configure_logs("json", level=logging.WARNING, stream=out)
    info_line(said())
    assert out.getvalue() == b""


class Full(io.BytesIO):
    """A disk without space."""

    def write(self, _: object) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        self.write(b"")


@pytest.mark.parametrize("log", ["json", "pretty"])
def test_what_cannot_be_written_is_lost_and_stops_nobody(log: Literal["pretty", "json"]) -> None:
    configure_logs(log, stream=Full())
    get_logger("x").info("lost")
    logging.getLogger("x").warning("lost")
    info_line(said())


class Counted(io.BytesIO):
    """Counts how often what was written goes out."""

    flushes = 0

    def flush(self) -> None:
        self.flushes += 1


def test_the_lines_of_one_turn_of_a_loop_go_out_together() -> None:
    out = Counted()
    configure_logs("json", stream=out)

    async def turns() -> list[int]:
        seen = []
        for _ in range(2):
            for _ in range(3):
                info_line(said(), asyncio.get_running_loop())
            await asyncio.sleep(0)
            seen.append(out.flushes)
        return seen

    assert asynchronous.run(turns) == [1, 2]
    assert len(out.getvalue().splitlines()) == 6
    info_line(said())
    assert out.flushes == 3


class Pieces(io.RawIOBase):
    """Keeps each piece that a pipe would have been given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.seen.append(bytes(data))
        return len(data)


def test_however_many_lines_go_out_together_no_other_process_can_write_into_one() -> None:
    """A pipe keeps together what it is given at once, up to so many bytes."""
    pieces = Pieces()
    configure_logs("json", stream=io.BufferedWriter(pieces))

    async def turn() -> None:
        for _ in range(200):
            info_line(said(), asyncio.get_running_loop())
        await asyncio.sleep(0)

    asynchronous.run(turn)
    assert len(b"".join(pieces.seen).splitlines()) == 200
    assert len(pieces.seen) < 20
    assert all(len(piece) <= PIPE_BUF and piece.endswith(b"\n") for piece in pieces.seen)


def test_a_loop_that_ended_too_soon_keeps_no_other_from_writing() -> None:
    out = Counted()
    configure_logs("json", stream=out)
    over = asyncio.new_event_loop()
    info_line(said(), over)
    over.close()

    async def turn() -> None:
        info_line(said(), asyncio.get_running_loop())
        await asyncio.sleep(0)

    asynchronous.run(turn)
    assert out.flushes == 1
