"""A worker process with an application for tests: `python -m tests.web.serving.small_worker DESCRIPTOR FOLDER THREADS [PATIENCE]`."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from infrastructure.logs import configure_logs
from web.serving import connection
from web.serving.connection import GuardedProtocol
from web.serving.worker import run
from web.serving.wsgi import ThreadedWsgi

FOLDER = Path(sys.argv[2])
PLAIN = ("Content-Type", "text/plain")


def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    name = environ["PATH_INFO"].split("/")[1]
    answer: Iterable[bytes] = ANSWERS.get(name, echo)(environ, start)
    return answer


def echo(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    body = environ["wsgi.input"].read()
    told = {key: value for key, value in environ.items() if isinstance(value, str)}
    return whole(start, json.dumps({**told, "body": len(body), "sha": hashlib.sha256(body).hexdigest()}).encode())


def whole(start: Callable[..., Any], body: bytes, line: str = "200 OK") -> list[bytes]:
    start(line, [PLAIN, ("Content-Length", str(len(body)))])
    return [body]


def too_large(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    return whole(start, environ["CONTENT_LENGTH"].encode(), "413 Content Too Large")


def endless(_: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    start("200 OK", [PLAIN])
    return _Recorded(b"line\n" * 200 for _ in iter(int, 1))


def waiting(_: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    start("200 OK", [PLAIN])

    def parts() -> Iterator[bytes]:
        yield b"first"
        wait_for_release()
        yield b" second"

    return parts()


def held(_: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    (FOLDER / "held").touch()
    wait_for_release()
    return whole(start, b"held")


def wait_for_release() -> None:
    while not (FOLDER / "release").exists():
        time.sleep(0.01)


def breaking(_: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    start("200 OK", [PLAIN])

    def parts() -> Iterator[bytes]:
        yield b"some"
        raise ValueError("the cause")

    return parts()


def lazy(_: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    start("200 OK", [PLAIN])(b"written ")
    yield b"made"


def raising(_: dict[str, Any], __: Callable[..., Any]) -> list[bytes]:
    raise ValueError("the cause")


def status(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    return whole(start, b"body", f"{environ['PATH_INFO'].split('/')[2]} Status")


class _Recorded:
    """An iterator that writes down how it ended, as audit exports do."""

    def __init__(self, made: Iterator[bytes]) -> None:
        self._made, self._count = made, 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._count += 1
        return next(self._made)

    def close(self) -> None:
        (FOLDER / "closed").write_text(str(self._count))


ANSWERS: dict[str, Any] = {
    "too-large": too_large, "endless": endless, "waiting": waiting, "held": held, "breaking": breaking, "lazy": lazy,
    "raising": raising, "status": status,
}  # fmt: skip


def main() -> None:
    configure_logs("json")
    if len(sys.argv) > 4:
        for limit in ("HEAD_S", "BODY_S", "KEEP_ALIVE_S", "LINGER_S", "STALLED_S"):
            setattr(connection, limit, float(sys.argv[4]))
    run(ThreadedWsgi(app, int(sys.argv[3])), GuardedProtocol, int(sys.argv[1]))


if __name__ == "__main__":
    main()
