"""What callers changed in the demo (models, jobs, runs): one JSON file, replaced atomically, owned by one process at a time."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

LOCK_PATIENCE_SECONDS = 4.0
Answer = TypeVar("Answer")


class StateUnusable(Exception):
    """The state directory can't be used; the message says what to do."""


class Column(msgspec.Struct, frozen=True):
    """A column of a model; `derived_from` names columns of other models as `model.column`."""

    name: str
    type: str
    description: str = ""
    derived_from: tuple[str, ...] = ()


class Model(msgspec.Struct, frozen=True):
    """A model of a project; version 1 as delivered or created, one more at each change."""

    project_id: str
    name: str
    description: str
    sql: str
    columns: tuple[Column, ...]
    version: int = 1
    changed_at: datetime | None = None
    changed_by: str | None = None


class Job(msgspec.Struct, frozen=True):
    """A job: commands that run one after the other, by schedule (cron, UTC) or when asked."""

    job_id: str
    project_id: str
    name: str
    commands: tuple[str, ...]
    schedule: str | None = None
    created_at: datetime | None = None
    created_by: str | None = None


class Run(msgspec.Struct, frozen=True):
    """A run of a job. How it ends is settled when it starts; its status follows from the time."""

    run_id: str
    job_id: str
    project_id: str
    cause: str
    requested_at: datetime
    seconds: int
    succeeds: bool
    triggered_by: str | None = None
    client_id: str | None = None


class State(msgspec.Struct, frozen=True):
    """Everything that callers changed; what the demo was delivered with stands in the code."""

    models: dict[str, Model] = {}
    jobs: dict[str, Job] = {}
    runs: dict[str, Run] = {}


class StateStore:
    """The state in memory and in its file; readers get an immutable snapshot, writers take turns."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "state.json"
        self._lock = threading.Lock()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._owned = _own(directory / "lock")
            self._state = _load(self._path)
        except OSError as error:
            raise StateUnusable(f"The state directory {directory} can't be used ({error.strerror}): give another with --state-dir.") from error

    @property
    def state(self) -> State:
        """The state as of now."""
        return self._state

    def change(self, decide: Callable[[State], tuple[State, Answer]]) -> Answer:
        """Replace the state by what `decide` makes of it; the answer is given once the file is on disk."""
        with self._lock:
            state, answer = decide(self._state)
            _write(self._path, msgspec.json.encode(state))
            self._state = state
            return answer

    def close(self) -> None:
        """Leave the directory to another process."""
        os.close(self._owned)


def _own(lock: Path) -> int:
    """Hold the directory; a predecessor that is just ending gets some seconds."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(handle)
                raise StateUnusable(f"Another process uses {lock.parent}: end it, or give another --state-dir.") from None
            time.sleep(0.1)
        else:
            return handle


def _load(path: Path) -> State:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return State()
    try:
        return msgspec.json.decode(content, type=State)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateUnusable(f"{path} can't be read ({error}): move it away to begin with fresh data.") from error


def _write(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
