"""The revocation barrier: waits until no decision that began on an older snapshot can still take effect."""

from __future__ import annotations

import time

from application.counting import took
from application.ports import Busy
from infrastructure.database import DECIDE, DECIDE_TIMEOUT_MS
from infrastructure.store.connection import Connections, plain

POLL_S = 0.001
PATIENCE_S = DECIDE_TIMEOUT_MS / 1000 + 0.5
"""Longer than any statement of the decision path may run, and than any of its transactions may idle."""
GRACE_S = 2.0

# Whole transactions are waited for: one that has inserted but not committed yet holds no snapshot between its statements.
_WATCH = """SELECT pid, xact_start, backend_xmin::text::bigint, backend_xid IS NOT NULL FROM pg_stat_activity
WHERE application_name = %s AND datname = current_database() AND pid <> pg_backend_pid()
AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)"""

_Watched = tuple[int, object]


def not_after(xid: int, other: int) -> bool:
    """Whether the 32-bit transaction id `xid` is `other` or older, as PostgreSQL compares them across the wrap."""
    return ((other - xid) & 0xFFFFFFFF) < 0x80000000


class Barrier:
    """Watches the backends of the decision path, known by their application name; a report or a dump is never waited for."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def wait(self, xid: int) -> None:
        """Return when every decision whose snapshot may lack transaction `xid` (committed) has ended.

        Whoever is still there after the statement time-out is hung, and is ended. `Busy` if even that does not help.
        """
        started = time.monotonic()
        try:
            self._wait(xid, started)
        finally:
            took(time.monotonic() - started, "barrier_seconds")

    def _wait(self, xid: int, started: float) -> None:
        waiting = self._older(xid)
        ended = False
        while waiting:
            time.sleep(POLL_S)
            waiting &= self._older(xid)
            passed = time.monotonic() - started
            if waiting and passed > PATIENCE_S and not ended:
                self._end(waiting)
                ended = True
            if waiting and passed > PATIENCE_S + GRACE_S:
                raise Busy("Recorded, but a decision that began before it can't be ended.")

    def _older(self, xid: int) -> set[_Watched]:
        rows = self._connections.read(lambda kept: plain(kept, _WATCH, (DECIDE,)))
        return {(pid, start) for pid, start, xmin, writing in rows if writing or not_after(xmin, xid & 0xFFFFFFFF)}

    def _end(self, waiting: set[_Watched]) -> None:
        for pid, _ in waiting:
            self._connections.query("SELECT pg_terminate_backend(%s)", (pid,))
