"""One process that starts the others, starts a crashed one again, and ends them all: web, gateway, projector, the demo's upstream."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from infrastructure.logs import get_logger

END_WITHIN_S = 3.5
_LOOK_EVERY_S = 0.1
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 15.0
_STABLE_AFTER_S = 30.0
_HOPELESS = 4

log = get_logger("supervisor")


@dataclass(frozen=True, slots=True)
class ChildPlan:
    """A process to keep running. `environment` is its whole environment."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]


@dataclass(slots=True)
class _Child:
    plan: ChildPlan
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    crashes: int = 0
    again_at: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """`output` takes what the children write to standard error; None: our own."""

    output: IO[bytes] | None = None
    _children: list[_Child] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)
    _at_once: threading.Event = field(default_factory=threading.Event)
    _signals: list[int] = field(default_factory=list)

    def start(self, *plans: ChildPlan) -> None:
        """Start children; each leads a session of its own, so that a Ctrl-C reaches only us."""
        for plan in plans:
            child = _Child(plan)
            self._children.append(child)
            self._launch(child)

    def run(self) -> None:
        """Keep the children running until `end_soon` or a signal."""
        while not self._ending.is_set():
            for child in self._children:
                self._look_after(child)
            self._ending.wait(_LOOK_EVERY_S)

    def wait_until(self, answers: Callable[[], bool], patience_s: float) -> bool:
        """Keep the children running until something answers; False if it doesn't in time, a child can't be kept up, or the end is wanted."""
        deadline = time.monotonic() + patience_s
        while not self._ending.is_set() and time.monotonic() < deadline:
            if answers():
                return True
            if any(child.crashes >= _HOPELESS for child in self._children):
                return False
            for child in self._children:
                self._look_after(child)
            self._ending.wait(0.03)
        return False

    def run_on(self, seconds: float) -> None:
        """Keep the children running a little longer, once the end is wanted; a second signal is the end at once."""
        deadline = time.monotonic() + seconds
        while not self._at_once.is_set() and time.monotonic() < deadline:
            for child in self._children:
                self._look_after(child)
            self._at_once.wait(_LOOK_EVERY_S)

    def end_soon(self, number: int = 0, *_: Any) -> None:
        """A signal handler: let `run` return."""
        if self._ending.is_set():
            self._at_once.set()
        self._signals.append(number)
        self._ending.set()

    @property
    def may_drain(self) -> bool:
        """Whether the end was asked for by SIGTERM, as service managers do, and not by somebody at the terminal."""
        return self._signals[:1] == [signal.SIGTERM]

    @property
    def wanted_to_end(self) -> bool:
        """Whether a signal (or `end_soon`) asked for the end."""
        return self._ending.is_set()

    def end(self) -> None:
        """End every child: politely, and after a few seconds with its whole session."""
        self._ending.set()
        alive = [c.process for c in self._children if c.process is not None and c.process.poll() is None]
        for process in alive:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + END_WITHIN_S
        for process in alive:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        for child in self._children:
            if child.process is not None:
                _kill_session(child.process)

    def catch_signals(self) -> None:
        """SIGINT, SIGTERM and SIGHUP end us in order."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.end_soon)

    def _look_after(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.again_at:
                self._launch(child)
            return
        code = child.process.poll()
        if code is None:
            return
        _kill_session(child.process)
        child.crashes = 1 if now - child.started_at > _STABLE_AFTER_S else child.crashes + 1
        pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (child.crashes - 1))
        log.error("process ended, starting it again", process=child.plan.name, exit=code, pause_s=pause)
        child.process, child.again_at = None, now + pause

    def _launch(self, child: _Child) -> None:
        child.started_at = time.monotonic()
        child.process = subprocess.Popen(
            child.plan.command,
            env=dict(child.plan.environment),
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
        )


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    """What a child left behind, workers above all, goes with it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1)


def open_log(path: Path) -> IO[bytes]:
    """A file for the children's output, begun anew once it has grown past 10 MB."""
    too_long = path.exists() and path.stat().st_size > 10 * 1024 * 1024
    file = path.open("wb" if too_long else "ab")
    path.chmod(0o600)
    return file
