"""A closed-loop HTTP/1.1 load generator: several processes, raw keep-alive sockets, one request in flight on each connection."""

from __future__ import annotations

import multiprocessing
import re
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["cycle", "once", "refresh"]
_REFRESH_TOKEN = re.compile(rb'"refresh_token":"([^"]+)"')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_START_AFTER_S = 0.7
_PATIENCE_S = 20.0
_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Job:
    """What to send. `cycle`: the items round and round; `once`: each one time; `refresh`: each answer's token is the item's next one.

    An answer is good with the expected status and every one of `holds` in its body.
    """

    port: int
    head: bytes
    mode: Mode
    items: Sequence[bytes]
    prefix: bytes = b""
    status: int = 200
    holds: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Outcome:
    """What was measured between the two instants. `items` is what is left, for the next run."""

    latencies: list[float] = field(default_factory=list)
    good: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    cpu_s: float = 0.0
    items: list[bytes] = field(default_factory=list)
    ran_dry: bool = False

    def quantile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[round(share * (len(ordered) - 1))] * 1000 if ordered else 0.0


@dataclass(slots=True)
class _Connection:
    number: int
    socket: socket.socket
    item: bytes = b""
    sent_at: float = 0.0
    got: bytes = b""


class Running:
    """A load under way: it is measured from `begins` to `ends` (instants of `time.monotonic`), after a warm-up."""

    def __init__(self, job: Job, connections: int, seconds: float, warm_up: float) -> None:
        started = time.monotonic() + _START_AFTER_S
        self.begins, self.ends = started + warm_up, started + warm_up + seconds
        processes = min(2, connections)
        shares = [list(job.items if job.mode == "cycle" else job.items[n::processes]) for n in range(processes)]
        context = multiprocessing.get_context("spawn")
        self._pool = context.Pool(processes)
        self._results = [
            self._pool.apply_async(_fire, (job, shares[n], connections // processes, started, self.begins, self.ends)) for n in range(processes)
        ]

    def result(self) -> Outcome:
        """Wait for the end; what all processes measured."""
        whole = Outcome()
        for waiting in self._results:
            part = waiting.get(self.ends - time.monotonic() + _PATIENCE_S)
            whole.latencies += part.latencies
            whole.good += part.good
            whole.bad += part.bad
            whole.cpu_s += part.cpu_s
            whole.items += part.items
            whole.ran_dry |= part.ran_dry
        self._pool.close()
        self._pool.join()
        return whole


class _Firing:
    """One process' connections."""

    def __init__(self, job: Job, items: list[bytes], connections: int) -> None:
        self._job, self._items, self.outcome = job, deque(items), Outcome()
        self._poll = select.epoll()
        self._open: dict[int, _Connection] = {}
        for number in range(connections):
            self._dial(number)

    def run(self, started: float, begins: float, ends: float) -> Outcome:
        time.sleep(max(0.0, started - time.monotonic()))
        cpu = time.process_time()
        for connection in list(self._open.values()):
            self._send(connection)
        while (now := time.monotonic()) < ends and not self.outcome.ran_dry:
            for descriptor, _ in self._poll.poll(min(0.05, ends - now)):
                connection = self._open[descriptor]
                if self._receive(connection, begins, ends):
                    self._send(connection)
        self._drain()
        self.outcome.cpu_s = time.process_time() - cpu
        self.outcome.items = list(self._items)
        return self.outcome

    def _dial(self, number: int) -> None:
        made = socket.create_connection(("127.0.0.1", self._job.port), timeout=_PATIENCE_S)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open[made.fileno()] = _Connection(number, made)
        self._poll.register(made.fileno(), select.EPOLLIN)

    def _send(self, connection: _Connection) -> None:
        job = self._job
        if not self._items:
            self.outcome.ran_dry = True
            return
        connection.item = self._items.popleft()
        if job.mode == "cycle":
            self._items.append(connection.item)
        body = job.prefix + connection.item
        length = b"" if job.head.startswith(b"GET ") else b"Content-Length: %d\r\n" % len(body)
        connection.got, connection.sent_at = b"", time.monotonic()
        connection.socket.sendall(job.head + length + b"\r\n" + body)

    def _receive(self, connection: _Connection, begins: float, ends: float) -> bool:
        """Take what has come; whether the answer is whole."""
        chunk = connection.socket.recv(_CHUNK)
        connection.got += chunk
        head, blank, body = connection.got.partition(b"\r\n\r\n")
        if not chunk:
            raise SystemExit(f"The server closed a connection; the last answer began {head[:200]!r}.")
        if not blank:
            return False
        length = _LENGTH.search(head)
        if length is None or len(body) < int(length.group(1)):
            return False
        now = time.monotonic()
        self._judge(connection, int(head[9:12]), body, counted=begins <= now < ends, took=now - connection.sent_at)
        return True

    def _judge(self, connection: _Connection, status: int, body: bytes, *, counted: bool, took: float) -> None:
        job, good = self._job, False
        item: bytes | None = connection.item
        if status == job.status and all(part in body for part in job.holds):
            good = True
            if job.mode == "refresh":
                found = _REFRESH_TOKEN.search(body)
                item = found.group(1) if found else None
                good = item is not None and item != connection.item
        if job.mode == "refresh" and good and item is not None:
            self._items.append(item)
        if not good:
            self.outcome.bad[f"{status} {body[:160].decode(errors='replace')}"] += 1
        elif counted:
            self.outcome.good += 1
            self.outcome.latencies.append(took)

    def _drain(self) -> None:
        """Let the requests under way come home, so that no token is lost."""
        deadline = time.monotonic() + _PATIENCE_S
        for connection in self._open.values():
            while connection.sent_at and time.monotonic() < deadline:
                if _whole(connection.got) or self._receive(connection, 0.0, 0.0):
                    break
            connection.socket.close()
        self._poll.close()


def _whole(got: bytes) -> bool:
    head, blank, body = got.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return bool(blank) and length is not None and len(body) >= int(length.group(1))


def _fire(job: Job, items: list[bytes], connections: int, started: float, begins: float, ends: float) -> Outcome:
    return _Firing(job, items, connections).run(started, begins, ends)
