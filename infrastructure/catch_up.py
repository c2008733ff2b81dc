"""Lets one command read views that hold everything recorded before it, whether or not a projector runs."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict
from typing import Any

import psycopg

from infrastructure.bootstrap import App
from infrastructure.database import CLI, connect, with_parameters
from infrastructure.projector import Projector
from infrastructure.store.era import era
from infrastructure.store.store import WAKE_CHANNEL
from projections.events import PersonalReader
from projections.status import status

_LEADER_SOON_S = 0.4
_POLL_S = 0.02

# The newest event in commit order has a position, so all before it have; those of an earlier era always have one.
_ALL_POSITIONED = """
SELECT NOT EXISTS (
    SELECT FROM (
        SELECT originator_id, originator_version FROM events
        WHERE events.xid >= %(xid)s::text::xid8 AND events.xid < pg_snapshot_xmax(pg_current_snapshot()) AND notification_id > %(after)s
        ORDER BY events.xid DESC, notification_id DESC LIMIT 1) newest
    WHERE NOT EXISTS (SELECT FROM positions p WHERE (p.originator_id, p.originator_version) = (newest.originator_id, newest.originator_version)))"""


def catch_up(app: App, patience_s: float = 30.0) -> bool:
    """Wait for the leading projector, or project here where none leads; False if the views still lag (a stopped one is not waited for)."""
    with connect(with_parameters(app.dsn, application_name=CLI)) as connection:
        connection.execute("SELECT pg_notify(%s, '')", (WAKE_CHANNEL,))
        if _await(connection, _LEADER_SOON_S):
            return True
        stop = threading.Event()
        projector = Projector(app.dsn, lambda: PersonalReader(app.keyring.open, app.keyring.prefetch), holder="one command")
        worker = threading.Thread(target=projector.run, args=(stop,), name="catch-up", daemon=True)
        worker.start()
        try:
            return _await(connection, patience_s)
        finally:
            stop.set()
            worker.join(timeout=10)


def _await(connection: psycopg.Connection[Any], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while not _caught_up(connection):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _caught_up(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute(_ALL_POSITIONED, asdict(era(connection))).fetchone()
    if row is None or not row[0]:
        return False
    return all(s.state == "stopped" or (s.state == "live" and s.position >= s.head) for s in status(connection))
