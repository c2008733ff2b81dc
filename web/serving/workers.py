"""The web workers: each accepts from a listening socket of its own; and the process that starts them again and ends them."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from infrastructure.logs import get_logger
from infrastructure.ports_in_use import PortInUse, bound
from infrastructure.settings import Settings

BACKLOG = 1024
END_WITHIN_S = 3.0
"""For a worker: two seconds for what has begun, the rest to write down what broke off. Less than the supervisor grants all of us."""
_STABLE_AFTER_S = 5.5
_TURN_S = 1.0
STUCK_AFTER_TURNS = 20
"""Turns of ours, each of a whole second, whatever wakes us: while the machine or we are suspended there are none, so it is no worker's fault."""
_LONGEST_REST = 15
"""Turns before a worker is started in the place of one that was of no use."""

log = get_logger("web")


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Exits with 1 where no worker can be kept up: the supervisor starts us again, later and later."""
    try:
        bound(settings.host, settings.port, "--port").close()  # shared sockets would stand beside another server's
        sys.exit(_Workers(settings).run())
    except PortInUse as error:
        sys.exit(str(error))


@dataclass(slots=True, eq=False)
class _Worker:
    """A process, its socket, where it says each second that its loop turns, and when it was started."""

    process: subprocess.Popen[bytes]
    listening: socket.socket
    said: int
    since: float
    served: bool = False
    silent: int = 0
    """Turns of ours since it was heard."""

    def hear(self, turns: int) -> None:
        """What it said by now; `turns`: since we last asked. One that has not served yet takes the time that it takes."""
        heard = b""
        with contextlib.suppress(BlockingIOError):
            heard = os.read(self.said, 4096)
        self.served = self.served or heard != b""
        self.silent = 0 if heard or not self.served else self.silent + turns

    @property
    def was_of_use(self) -> bool:
        """Whether it served until it was killed, or for long: then the next one will, too."""
        return self.served and (self.process.returncode < 0 or time.monotonic() - self.since >= _STABLE_AFTER_S)

    def close(self) -> None:
        self.listening.close()
        os.close(self.said)


@dataclass(slots=True)
class _Workers:
    """`run` is all there is to call."""

    settings: Settings
    _running: list[_Worker] = field(default_factory=list)
    _ending: bool = False
    _rest: int = 0
    """Turns without a start after a worker that was of no use, twice as many after the next one; `_left` of them are to come."""
    _left: int = 0

    def run(self) -> int:
        """0 after a signal, 1 if a worker was of no use and no other serves."""
        woken = self._wake_on_signals()
        turns, turn_ends = 0, time.monotonic() + _TURN_S
        while self._look_after(turns):
            select.select([woken], [], [], max(0.0, turn_ends - time.monotonic()))
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
            turns = int(time.monotonic() >= turn_ends)
            if turns:
                turn_ends = time.monotonic() + _TURN_S
        self._end()
        return 0 if self._ending else 1

    def _wake_on_signals(self) -> int:
        """A descriptor that can be read whenever a signal has come: a child's end, or the wish for ours."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end_soon)
        return reading

    def _end_soon(self, *_: Any) -> None:
        self._ending = True

    def _launch(self) -> None:
        """In our session, so that whoever kills that takes the workers along; they see by themselves when we are gone.

        Each has a socket of its own: of a common one's clients, the worker that wakes first would take nearly all. It listens there when it is
        ready: who comes to a worker that is starting waits for seconds.
        """
        listening = bound(self.settings.host, self.settings.port, "--port", shared=True)
        said, saying = os.pipe()
        os.set_blocking(said, False)
        passed = [listening.fileno(), saying]
        command = [sys.executable, "-m", "web.cli.child", "web", str(os.getpid()), *map(str, passed)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=passed)
        os.close(saying)
        self._running.append(_Worker(process, listening, said, time.monotonic()))

    def _look_after(self, turns: int) -> bool:
        """Start what is missing, and end what is stuck. False: the end is wanted, or no worker can be kept up."""
        if self._ending:
            return False
        self._left = max(0, self._left - turns)
        ended = [worker for worker in self._running if _has_ended(worker, turns)]
        for worker in ended:
            self._running.remove(worker)
            log.error("worker ended, starting another", exit=worker.process.returncode)
            self._rest = self._left = 0 if worker.was_of_use else min(self._rest * 2 or 1, _LONGEST_REST)
        if self._left and not any(worker.served for worker in self._running):
            return False
        while not self._left and len(self._running) < self.settings.workers:
            self._launch()
        if not any(worker.served for worker in self._running):
            self._running[0].listening.listen(BACKLOG)  # nobody is turned away: who comes now waits for the first that will serve
        for worker in ended:
            worker.close()  # who waits there hears of it at once, and isn't answered when it may have asked elsewhere long since
        return True

    def _end(self) -> None:
        deadline = time.monotonic() + END_WITHIN_S
        for worker in self._running:
            worker.close()
            worker.process.terminate()
        for worker in self._running:
            try:
                worker.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()


def _has_ended(worker: _Worker, turns: int) -> bool:
    """Hear it, and kill it if it is stuck: a worker that lives and does nothing would keep its clients waiting for ever."""
    worker.hear(turns)
    if worker.process.poll() is not None:
        return True
    if worker.silent >= STUCK_AFTER_TURNS:
        log.error("worker is stuck, killing it", pid=worker.process.pid, silent_seconds=int(worker.silent * _TURN_S))
        worker.process.kill()
        worker.silent = 0
    return False
