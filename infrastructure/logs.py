"""Logging: structlog to standard error, one JSON line or one readable line per event, never a secret."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import IO, Any, Literal, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from infrastructure.clock import now

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
_json_lines: IO[bytes] | None = None
"""Where JSON lines of level info go; None where lines are for people, or less is logged."""


def configure_logs(log: Literal["pretty", "json"], *, level: int = logging.INFO, stream: IO[bytes] | None = None) -> None:
    """Set up structlog and route the standard library's loggers through the same processors; `stream` takes bytes."""
    global _json_lines  # noqa: PLW0603  # logging is the process's own
    out = sys.stderr.buffer if stream is None else stream
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


def info_line(module: str, event: str, fields: dict[str, Any]) -> None:
    """One line of fields that are known to hold no secret: what `get_logger(module).info` writes, at a fifth of its cost."""
    out = _json_lines
    if out is None:
        get_logger(module).info(event, **fields)
        return
    moment = now().isoformat()[:-6]
    out.write(_encode({"module": module, **fields, "event": event, "level": "info", "timestamp": f"{moment}Z"}) + b"\n")
    out.flush()


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


def _pretty(out: IO[bytes]) -> Processor:
    console = structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)

    def render(logger: WrappedLogger, name: str, event: EventDict) -> bytes:
        return str(console(logger, name, event)).encode(errors="replace")

    return render


def _as_text(render: Processor) -> Processor:
    def rendered(logger: WrappedLogger, name: str, event: MutableMapping[str, Any]) -> str:
        return cast(bytes, render(logger, name, event)).decode()

    return rendered


class _Text:
    """Lets the standard library's handler, which writes text, share a stream of bytes."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def write(self, text: str) -> int:
        return self._out.write(text.encode(errors="replace"))

    def flush(self) -> None:
        self._out.flush()
