"""Snapshots of long grants, every hundred versions, written by a thread of their own: never on an answer's way."""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import asdict
from typing import Any
from uuid import UUID

import msgspec

from application.ports import Busy, Conflict
from domain.extent import as_projects
from domain.grant import Grant, Issue, Pinned
from infrastructure.store.connection import Connections
from infrastructure.store.errors import Lost
from infrastructure.store.facts import micros, moment
from infrastructure.store.fold import Row
from infrastructure.store.statements import SNAPSHOT, bigint

EVERY = 100
TOPIC = "grant.snapshot.1"
"""Raise the number whenever `Grant` gains, loses or reinterprets an attribute: older snapshots are then left unread."""

_QUEUE_SIZE = 1_000
_TIMES = ("_created_on", "_modified_on")
_LEFT_OUT = frozenset({"_id", "_version", "_pending_events"})


def due(version: int, *, before: int) -> bool:
    """Whether a grant that was moved on to this version is worth a snapshot."""
    return version // EVERY > before // EVERY


def encode(grant: Grant) -> bytes:
    """The state of a grant without pending events."""
    state = {name: value for name, value in vars(grant).items() if name not in _LEFT_OUT}
    for name in _TIMES:
        state[name] = micros(state[name])
    for name in ("issued", "previous"):
        issue = state[name]
        state[name] = None if issue is None else {**issue._asdict(), "at": micros(issue.at)}
    state["pinned"] = asdict(grant.pinned)
    return msgspec.json.encode(state)


def decode(row: Row) -> Grant | None:
    """The grant of a snapshot row; None if it can't be read (the events say it all again)."""
    with contextlib.suppress(msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return _decoded(row)
    return None


def _decoded(row: Row) -> Grant:
    state: dict[str, Any] = msgspec.json.decode(row.state)
    for name in _TIMES:
        state[name] = moment(state[name])
    for name in ("issued", "previous"):
        issue = state[name]
        state[name] = None if issue is None else Issue(**{**issue, "at": moment(issue["at"])})
    state["pinned"] = Pinned(**state["pinned"])
    state["scopes"], state["projects"] = tuple(state["scopes"]), as_projects(state["projects"])
    grant = object.__new__(Grant)
    vars(grant).update(state, _id=row.stream_id, _version=row.version, _pending_events=[])
    return grant


class SnapshotWriter:
    """Writes snapshots in the background; drops what it can't keep up with, since each can be made again a hundred versions later."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._queue: queue.Queue[Grant | None] = queue.Queue(_QUEUE_SIZE)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def offer(self, grant: Grant) -> None:
        """Write a snapshot some time soon. The grant must not be changed any more."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(grant)
        if self._thread is None:
            self._start()

    def close(self) -> None:
        """Write what is waiting, then end."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def write(self, grant: Grant) -> None:
        """Write one now."""
        stream: UUID = grant.id
        parameters = (stream.bytes, bigint(grant.version), TOPIC.encode(), encode(grant))
        self._connections.read(lambda kept: kept.run(SNAPSHOT, parameters))

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="snapshots", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (grant := self._queue.get()) is not None:
            with contextlib.suppress(Busy, Conflict, Lost):
                self.write(grant)
        self._connections.drop()
