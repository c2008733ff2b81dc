"""HTTP over raw sockets, byte by byte, and the worker that answers it."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.support.demo import ROOT

HOST = b"Host: localhost\r\n"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Raw:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=200)
        self.unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Raw:
        self.socket.sendall(data)
        return self

    def send_anyway(self, data: bytes) -> Raw:
        """Send what the other side may no longer want."""
        with contextlib.suppress(OSError):
            self.socket.sendall(data)
        return self

    def get(self, path: str, headers: bytes = b"") -> Answer:
        return self.send(b"GET %s HTTP/1.1\r\n%s%s\r\n" % (path.encode(), HOST, headers)).answer()

    def answer(self, *, bodiless: bool = False) -> Answer:
        """The next answer, read to its end."""
        line, *lines = self.until(b"\r\n\r\n").decode("latin-1").splitlines()
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines if one)}
        if bodiless:
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self._exactly(int(headers.get("content-length", "0")))
        return Answer(int(line.split()[1]), headers, body)

    def until(self, mark: bytes) -> bytes:
        while mark not in self.unread:
            self._more()
        read, _, self.unread = self.unread.partition(mark)
        return read + mark

    def rest(self) -> bytes:
        """What comes until the other side closes."""
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                self._more()
        read, self.unread = self.unread, b""
        return read

    def _exactly(self, size: int) -> bytes:
        while len(self.unread) < size:
            self._more()
        read, self.unread = self.unread[:size], self.unread[size:]
        return read

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.until(b"\r\n"), 16):
            yield self._exactly(size)
            self.until(b"\r\n")
        self.until(b"\r\n")

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError(self.unread)
        self.unread += data


@dataclass
class Worker:
    """A worker process on a socket of ours."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "log"

    def connect(self) -> Raw:
        return Raw(self.port)

    def ask(self, data: bytes) -> Answer:
        with self.connect() as raw:
            return raw.send(data).answer()

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextlib.contextmanager
def worker_of(folder: Path, *, threads: int = 4, patience: float | None = None) -> Iterator[Worker]:
    """`patience` replaces all time limits, in seconds."""
    listening = socket.create_server(("127.0.0.1", 0))
    command = [sys.executable, "-m", "tests.web.serving.small_worker", str(listening.fileno()), str(folder), str(threads)]
    with (folder / "log").open("wb") as log:
        extra = [] if patience is None else [str(patience)]
        process = subprocess.Popen([*command, *extra], cwd=ROOT, stderr=log, pass_fds=[listening.fileno()])
    worker = Worker(folder, listening.getsockname()[1], process)
    try:
        with worker.connect() as raw:
            raw.get("/")
        listening.close()
        yield worker
    finally:
        listening.close()
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_until(path: Path, patience: float = 200) -> None:
    """For a file that a worker writes."""
    deadline = time.monotonic() + patience
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)
