"""Logging: structlog to standard error, one JSON line or one readable line per event, never a secret."""

from __future__ import annotations

import logging
import sys
from asyncio import AbstractEventLoop
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import datetime
from select import PIPE_BUF
from typing import IO, Any, Literal, Protocol, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

SECRET_FIELDS = frozenset(
    {
        "access_token",
        "assertion",
        "authorization",
        "client_assertion",
        "client_secret",
        "code",
        "code_verifier",
        "cookie",
        "csrf_token",
        "id_token",
        "passphrase",
        "password",
        "proxy-authorization",
        "refresh_token",
        "registration_access_token",
        "secret",
        "set-cookie",
        "token",
    }
)

_encode = msgspec.json.Encoder(enc_hook=str).encode
_json_lines: _Out | None = None
"""Where JSON lines of level info go; None where lines are for people, or less is logged."""


def configure_logs(log: Literal["pretty", "json"], *, level: int = logging.INFO, stream: IO[bytes] | None = None) -> None:
    """Set up structlog and route the standard library's loggers through the same processors; `stream` takes bytes."""
    global _json_lines  # noqa: PLW0603  # logging is the process's own
    out = _Out(sys.stderr.buffer if stream is None else stream)
    _json_lines = out if log == "json" and level <= logging.INFO else None
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        drop_secrets,
        structlog.processors.format_exc_info,
    ]
    render = _json if log == "json" else _pretty(out)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(out),  # type: ignore[arg-type]  # takes any stream of bytes, asks for a file
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_Text(out))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _as_text(render)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a module; its name stands in each line as `module`."""
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger(module=name))


class Line(Protocol):
    """A `msgspec.Struct` that is a line of level info: `module`, fields that are known to hold no secret, then these three."""

    event: str
    level: str
    timestamp: datetime


def info_line(line: Line, loop: AbstractEventLoop | None = None) -> None:
    """What `get_logger(module).info` writes, at a tenth of its cost; on a `loop`, whose thread calls, all lines of a turn by one write."""
    out = _json_lines
    if out is None:
        fields = msgspec.structs.asdict(cast("msgspec.Struct", line))
        del fields["level"], fields["timestamp"]
        get_logger(fields.pop("module")).info(fields.pop("event"), **fields)
        return
    out.write(_encode(line) + b"\n")
    if loop is None:
        out.flush()
    else:
        out.flush_soon(loop)


def drop_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Remove fields whose names are those of secrets, in mappings inside the event too."""
    nested = False
    secret: list[str] = []
    for name, value in event.items():
        if name in SECRET_FIELDS or (not name.islower() and name.lower() in SECRET_FIELDS):
            secret.append(name)
        elif isinstance(value, Mapping):
            nested = True
    for name in secret:
        del event[name]
    if nested:
        for name, value in event.items():
            if isinstance(value, Mapping):
                event[name] = _without_secrets(value)
    return event


def _without_secrets(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
    return {
        name: _without_secrets(value) if isinstance(value, Mapping) else value
        for name, value in mapping.items()
        if str(name).lower() not in SECRET_FIELDS
    }


def _json(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    return _encode(event)


def _pretty(out: _Out) -> Processor:
    console = structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)

    def render(logger: WrappedLogger, name: str, event: EventDict) -> bytes:
        return str(console(logger, name, event)).encode(errors="replace")

    return render


def _as_text(render: Processor) -> Processor:
    def rendered(logger: WrappedLogger, name: str, event: MutableMapping[str, Any]) -> str:
        return cast(bytes, render(logger, name, event)).decode()

    return rendered


class _Out:
    """A stream that takes what it can: whoever logs goes on, though the disk is full or nobody reads any more.

    Nothing leaves in larger pieces than a pipe keeps whole, but for a line that is larger by itself: several processes share one.
    """

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self.isatty = out, out.isatty
        self._due: AbstractEventLoop | None = None
        self._held = 0

    def write(self, data: bytes) -> int:
        self._held += len(data)
        if self._held > PIPE_BUF:
            self._let_go()
            self._held = len(data)
        try:
            return self._out.write(data)
        except OSError:
            return 0

    def flush(self) -> None:
        self._due = None
        self._let_go()

    def _let_go(self) -> None:
        self._held = 0
        with suppress(OSError):
            self._out.flush()

    def flush_soon(self, loop: AbstractEventLoop) -> None:
        """At the end of the loop's turn."""
        if self._due is not loop:
            self._due = loop
            loop.call_soon(self.flush)


class _Text:
    """Lets the standard library's handler, which writes text, share a stream of bytes."""

    def __init__(self, out: _Out) -> None:
        self._out = out

    def write(self, text: str) -> int:
        return self._out.write(text.encode(errors="replace"))

    def flush(self) -> None:
        self._out.flush()
