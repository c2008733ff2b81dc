"""The threads of a projector: keeping live projections, building changed ones beside, and repeating a task."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

import psycopg

from infrastructure.database import PROJECTOR, DatabaseUnavailable, connect, first_line, with_parameters
from infrastructure.logs import get_logger
from projections import view
from projections.definition import Projection
from projections.events import KeysUnavailable, PersonalReader
from projections.rebuild import AlreadyBuilding, RebuildFailed, rebuild
from projections.runner import Runner

IDLE = 0.25
RETRY = 0.5
BUILD_RETRY = 10.0
LOST = (psycopg.OperationalError, psycopg.InterfaceError, DatabaseUnavailable, KeysUnavailable)

log = get_logger("projector")


def writer_dsn(dsn: str, silence_ms: int = 60_000) -> str:
    """For writing rows. A batch's rows and position stand or fall together, so a crash that loses the last batches loses nothing: they are
    taken again. A writer that falls silent in the middle of a batch for `silence_ms` is cut off."""
    options = (("timezone", "UTC"), ("synchronous_commit", "off"), ("idle_in_transaction_session_timeout", f"{silence_ms}ms"))
    return with_parameters(dsn, application_name=PROJECTOR, options=options)


class Pace:
    """Says when a number of seconds has passed since it last said so."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = float("-inf")

    def due(self) -> bool:
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True


class Projecting(threading.Thread):
    """Keeps every live projection at the head until `demoted`."""

    def __init__(self, dsn: str, new_reader: Callable[[], PersonalReader], projections: Sequence[Projection], demoted: threading.Event) -> None:
        super().__init__(name="projecting", daemon=True)
        self._dsn = dsn
        self._new_reader = new_reader
        self._projections = projections
        self._demoted = demoted
        self._news = threading.Event()

    def wake(self) -> None:
        """Something new was positioned."""
        self._news.set()

    def run(self) -> None:
        while not self._demoted.is_set():
            try:
                with connect(self._dsn) as connection:
                    self._keep_up(Runner(connection, self._new_reader(), self._projections))
            except LOST as error:
                log.warning("projector.interrupted", error=first_line(error))
            except Exception:
                log.exception("projector.failed")
            self._demoted.wait(RETRY)

    def _keep_up(self, runner: Runner) -> None:
        while not self._demoted.is_set():
            self._news.clear()
            if not runner.step().more:
                self._news.wait(IDLE)


class Builder(threading.Thread):
    """Builds every projection whose tables are of an older version, beside whoever leads; ends when there is none."""

    def __init__(self, dsn: str, new_reader: Callable[[], PersonalReader], projections: Sequence[Projection], stop: threading.Event) -> None:
        super().__init__(name="building", daemon=True)
        self._dsn = dsn
        self._new_reader = new_reader
        self._projections = projections
        self._stop_asked = stop

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                with connect(self._dsn) as connection:
                    standings = view.standings(connection)
                    old = [p for p in self._projections if p.name in standings and standings[p.name].version < p.version]
                    if not old:
                        return
                    for projection in old:
                        self._build(connection, projection)
            except (*LOST, AlreadyBuilding, RebuildFailed) as error:
                log.warning("projector.build_waits", error=first_line(error))
            except Exception:
                log.exception("projector.build_failed")
            self._stop_asked.wait(BUILD_RETRY)

    def _build(self, connection: psycopg.Connection[object], projection: Projection) -> None:
        log.info("projector.builds", projection=projection.name, version=projection.version)
        with connect(self._dsn) as snapshot:
            for progress in rebuild(connection, projection, self._new_reader(), snapshot=snapshot):
                if self._stop_asked.is_set():
                    return
                for changed in progress.changed:
                    log.info("projector.compared", projection=projection.name, **asdict(changed))
        log.info("projector.built", projection=projection.name, version=projection.version)


def wait_for(threads: Sequence[threading.Thread], seconds: float) -> None:
    """Until all have ended, or for so long."""
    until = time.monotonic() + seconds
    for each in threads:
        each.join(timeout=max(0.0, until - time.monotonic()))


class Repeating(threading.Thread):
    """Calls a task every few seconds; its failures are logged and never end it."""

    def __init__(self, task: Callable[[], object], seconds: float, demoted: threading.Event, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._task = task
        self._seconds = seconds
        self._demoted = demoted

    def run(self) -> None:
        while not self._demoted.wait(self._seconds):
            try:
                self._task()
            except LOST as error:
                log.warning("projector.task_interrupted", task=self.name, error=first_line(error))
            except Exception:
                log.exception("projector.task_failed", task=self.name)
