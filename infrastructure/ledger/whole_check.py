"""The whole record checked against itself and against what was signed, when somebody asks: by a thread beside the server's work, one at a time."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

import psycopg

from infrastructure.bootstrap import App
from infrastructure.clock import now
from infrastructure.database import DatabaseUnavailable, connect, first_line, with_parameters
from infrastructure.ledger import live
from infrastructure.ledger.sealing import signer_of
from infrastructure.ledger.store import Connection
from infrastructure.logs import get_logger
from infrastructure.store import verify
from infrastructure.store.era import meta, set_meta

RESULT, RUNNING = "ledger.verified", "ledger.verifying"
"""Keys of `store_meta`: what the last check found; where the one that runs is, empty where none does."""
MOST_POSITIONS = 20
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('ledger check', 0))"
_HEAD = "SELECT coalesce(max(position), 0) FROM positions"
_TELL_EVERY_S = 1.0
_LONGEST_REST_S = 1.0

log = get_logger("ledger")


@dataclass(frozen=True, slots=True)
class Verified:
    """A check that came to its end at `at` (UTC), after `seconds`, over `events` up to `position`: the number of findings of each kind, and the
    first positions among them. It names no stream and no account: several may share the store."""

    at: datetime
    seconds: float
    events: int
    position: int
    findings: dict[str, int] = field(default_factory=dict)
    positions: list[int] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.findings.values())


@dataclass(frozen=True, slots=True)
class Progress:
    """A check that began and has not ended: `read` of `to_read` entries when it was last heard of. Its server may have ended before it."""

    began: datetime
    heard: datetime
    read: int
    to_read: int


def last_verified(connection: Connection) -> Verified | None:
    """The last check that came to its end."""
    kept = meta(connection, RESULT)
    return _dated(Verified, kept, "at") if kept else None


def progress(connection: Connection) -> Progress | None:
    """The check that runs, if one does."""
    kept = meta(connection, RUNNING)
    return _dated(Progress, kept, "began", "heard") if kept else None


def begin(app: App) -> WholeCheck | None:
    """Begin one; None where one runs already, here or in another process. `DatabaseUnavailable` if there is no connection."""
    connection = connect(_dsn(app))
    row = connection.execute(_LOCK).fetchone()
    if row is None or not row[0]:
        connection.close()
        return None
    check = WholeCheck(app, connection)
    check.start()
    return check


class WholeCheck(threading.Thread):
    """A check that has begun. `found`: what came of it, None until it has ended and where it was interrupted."""

    def __init__(self, app: App, connection: Connection) -> None:
        """`connection` holds the lock. It reads in short statements, since a snapshot of minutes would keep dead rows from being swept; what is
        signed meanwhile is no finding: whatever a checkpoint holds was there before it."""
        super().__init__(name="ledger check", daemon=True)
        self._app, self._connection = app, connection
        self.found: Verified | None = None

    def run(self) -> None:
        try:
            with self._connection:
                self.found = _Reading(self._app, self._connection).verified()
        except psycopg.Error as error:
            log.warning("ledger.check_interrupted", error=first_line(error))
            self._forget()
        except Exception:
            log.exception("ledger.check_failed")
            self._forget()
        else:
            tell = log.error if self.found.total else log.info
            tell("ledger.checked", findings=self.found.findings, events=self.found.events, seconds=self.found.seconds)

    def _forget(self) -> None:
        """Nothing runs any more, if that can be said at all."""
        with suppress(psycopg.Error, DatabaseUnavailable), connect(_dsn(self._app)) as connection:
            set_meta(connection, RUNNING, "")


def _dsn(app: App) -> str:
    return with_parameters(app.dsn, application_name="grantbook-check", options=(("timezone", "UTC"),))


class _Reading:
    """Reads all entries twice: each against its hash, then the hashes against the tree, the checkpoints and the sums."""

    def __init__(self, app: App, connection: Connection) -> None:
        self._app, self._connection = app, connection
        row = connection.execute(_HEAD).fetchone()
        self._head = 0 if row is None else int(row[0])
        self._began, self._last, self._told = now(), time.monotonic(), 0.0
        self._done = verify.Progress()

    def verified(self) -> Verified:
        began = time.monotonic()
        self._tell(0)
        kinds: Counter[str] = Counter()
        positions: set[int] = set()
        for finding in self._findings():
            kinds[finding.kind] += 1
            if finding.position is not None and len(positions) < MOST_POSITIONS:
                positions.add(finding.position)
        found = Verified(now(), round(time.monotonic() - began, 1), self._done.events, self._done.position, dict(kinds), sorted(positions))
        with self._connection.transaction():
            set_meta(self._connection, RESULT, json.dumps(asdict(found) | {"at": found.at.isoformat()}))
            set_meta(self._connection, RUNNING, "")
        return found

    def _findings(self) -> Iterator[verify.Finding]:
        signer = signer_of(self._app.settings, self._connection)
        return chain(verify.findings(self._connection, self._after_events), live.findings(self._connection, signer, self._after_hashes))

    def _after_events(self, done: verify.Progress) -> None:
        self._done.position, self._done.events = done.position, done.events
        self._rest(done.position)

    def _after_hashes(self, size: int) -> None:
        self._rest(self._head + size)

    def _rest(self, read: int) -> None:
        """Tell now and then how far it is, and rest for as long as the batch took: whoever is served comes first."""
        if time.monotonic() - self._told >= _TELL_EVERY_S:
            self._tell(read)
        time.sleep(min(time.monotonic() - self._last, _LONGEST_REST_S))
        self._last = time.monotonic()

    def _tell(self, read: int) -> None:
        told = Progress(self._began, now(), read, 2 * self._head)
        set_meta(self._connection, RUNNING, json.dumps(asdict(told) | {"began": told.began.isoformat(), "heard": told.heard.isoformat()}))
        self._told = time.monotonic()


def _dated(shape: Any, kept: str, *times: str) -> Any:
    facts = json.loads(kept)
    return shape(**facts | {name: datetime.fromisoformat(facts[name]) for name in times})
