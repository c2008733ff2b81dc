"""The projector process: several may run, one leads; the leader orders events, keeps the views, and sweeps."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg

from application.counting import COUNTS, count
from infrastructure.bootstrap import bootstrap
from infrastructure.database import BY_INDEX, PROJECTOR, DatabaseUnavailable, connect, first_line, with_parameters
from infrastructure.erasure.expiry import Expiry
from infrastructure.ledger.deposits.worker import Depositing
from infrastructure.ledger.sealing import Sealing
from infrastructure.logs import get_logger
from infrastructure.projector_workers import Builder, Pace, Projecting, Repeating, wait_for, writer_dsn
from infrastructure.run_folder import RunFolder
from infrastructure.settings import Settings
from infrastructure.store.sequencer import BATCH, LeadershipLost, OrderRefused, Sequencer, lead
from infrastructure.store.store import WAKE_CHANNEL
from infrastructure.sweeping import Sweeping
from infrastructure.taking_part import take_part
from infrastructure.views_check import LOOK_EVERY, ViewsCheck
from projections import view
from projections.definition import Projection
from projections.events import PersonalReader
from projections.preparing import prepare
from projections.registry import PROJECTIONS
from projections.replaying import clear_abandoned

SILENCE_MS = 1_000
"""A leader that says nothing for so long is taken for dead: the server ends its connection, and with it the lock."""
STANDBY_PAUSE = 0.2
SOON, BUSY, CROWDED, IDLE = 0.005, 0.025, 0.08, 0.25
"""Seconds between batches: after one or two events, a few, many, none. A batch costs milliseconds whatever is in it, so many wait for each other."""
FEW, MANY = 3, 20
HEARTBEAT = 0.5
REFUSED_PAUSE = 1.0
SWEEP_EVERY = 5.0
SEAL_EVERY = 1.0
EXPIRE_EVERY = 600.0
TIDY_EVERY = 15.0
ENDING_S, OUTSIDE_ENDING_S = 3.0, 0.5
"""How long threads may take to end; one that waits for a place outside is left behind: what it does there can be done again."""

log = get_logger("projector")


class Projector:
    """Runs until `stop` is set. `dsn` is the web role's database; `sweep` is called every few seconds by the leader, in a thread of its own;
    `sealing` makes what signs checkpoints, on the leader's connection; `depositing` takes them outside; `views_check` compares the views with the
    events now and then; `expiry` destroys data keys that are due. What killed replays left goes every `tidy_every` seconds."""

    def __init__(
        self,
        dsn: str,
        new_reader: Callable[[], PersonalReader],
        *,
        sweep: Callable[[], object] | None = None,
        sweep_every: float = SWEEP_EVERY,
        sealing: Sealing | None = None,
        depositing: Depositing | None = None,
        views_check: ViewsCheck | None = None,
        expiry: Callable[[], object] | None = None,
        tidy_every: float = TIDY_EVERY,
        projections: Sequence[Projection] = PROJECTIONS,
        holder: str | None = None,
    ) -> None:
        self._dsn = dsn
        self._new_reader = new_reader
        self._sweep = sweep
        self._sweep_every = sweep_every
        self._sealing = sealing
        self._depositing = depositing
        self._views_check = views_check
        self._expiry = expiry
        self._tidy_every = tidy_every
        self._projections = projections
        self.holder = holder or f"{socket.gethostname()}:{os.getpid()}"
        self.leading = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Lead, or wait to lead; a lost connection or leadership begins anew. Never raises for what can pass."""
        builder = Builder(writer_dsn(self._dsn), self._new_reader, self._projections, stop)
        builder.start()
        try:
            while not stop.is_set():
                try:
                    self._term(stop)
                except (psycopg.OperationalError, psycopg.InterfaceError, DatabaseUnavailable, LeadershipLost) as error:
                    if not stop.is_set():
                        count("projector_interruptions", "lost")
                        log.warning("projector.connection_lost", error=first_line(error))
                except (OrderRefused, psycopg.Error) as error:
                    count("projector_interruptions", "refused")
                    log.warning("projector.order_refused", error=first_line(error))
                    stop.wait(REFUSED_PAUSE)
                stop.wait(STANDBY_PAUSE)
        finally:
            builder.join(timeout=5)

    def _term(self, stop: threading.Event) -> None:
        """Wait for the lock on one connection, then lead for as long as it lasts."""
        with connect(self._leader_dsn()) as connection:
            prepare(connection, self._projections)
            while not lead(connection):
                if stop.wait(STANDBY_PAUSE):
                    return
            try:
                self._lead(connection, stop)
            finally:
                self.leading.clear()

    def _lead(self, connection: psycopg.Connection[Any], stop: threading.Event) -> None:
        sequencer = Sequencer(connection)
        connection.execute(f"LISTEN {WAKE_CHANNEL}")
        view.heartbeat(connection, self.holder)
        view.resume(connection)
        log.info("projector.leads", holder=self.holder)
        demoted = threading.Event()
        projecting = Projecting(writer_dsn(self._dsn, SILENCE_MS), self._new_reader, self._projections, demoted)
        workers: list[threading.Thread] = [projecting, Repeating(self._tidy, self._tidy_every, demoted, "tidying")]
        if self._sweep is not None:
            workers.append(Repeating(self._sweep, self._sweep_every, demoted, "sweep"))
        if self._expiry is not None:
            workers.append(Repeating(self._expiry, EXPIRE_EVERY, demoted, "expiry"))
        if self._views_check is not None:
            workers.append(Repeating(partial(self._views_check.round, demoted), LOOK_EVERY, demoted, "views check"))
        outside = [] if self._depositing is None else self._depositing.term(demoted)
        for worker in (*workers, *outside):
            worker.start()
        self.leading.set()
        try:
            self._order(connection, sequencer, projecting, stop)
        finally:
            demoted.set()
            projecting.wake()
            wait_for(workers, ENDING_S)
            wait_for(outside, OUTSIDE_ENDING_S)

    def _tidy(self) -> None:
        """What a killed `grantbook replay` left holds names in plain."""
        with connect(writer_dsn(self._dsn)) as connection:
            for left in clear_abandoned(connection):
                log.info("projector.tidied", left=left)

    def _order(self, connection: psycopg.Connection[Any], sequencer: Sequencer, projecting: Projecting, stop: threading.Event) -> None:
        """Sequence at a pace that follows the load: at once after a full batch, up to a quarter second apart when nothing happens."""
        pause, beat, sealing = SOON, Pace(HEARTBEAT), Pace(SEAL_EVERY)
        seal = None if self._sealing is None else self._sealing.term(connection)
        while not stop.is_set():
            placed = sequencer.sequence()
            if placed:
                COUNTS.add_many(placed, "events_positioned")
                count("sequencer_batches")
                projecting.wake()
            if beat.due():
                view.heartbeat(connection, self.holder)
            if placed >= BATCH:
                continue
            if seal is not None and sealing.due():
                seal(connection, sequencer.sequence)
            pause = min(pause * 1.5, IDLE) if not placed else SOON if placed < FEW else BUSY if placed < MANY else CROWDED
            for _ in connection.notifies(timeout=pause, stop_after=1):
                pause = SOON

    def _leader_dsn(self) -> str:
        silence = (("idle_session_timeout", f"{SILENCE_MS}ms"), ("idle_in_transaction_session_timeout", f"{SILENCE_MS}ms"))
        return with_parameters(self._dsn, application_name=PROJECTOR, options=(("timezone", "UTC"), *silence, *BY_INDEX))


@contextlib.contextmanager
def stopping_on_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop`; only in the main thread."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def prepare_views(dsn: str) -> None:
    """Give every projection that has none its empty tables, so that pages can be read before a projector has ever run."""
    with connect(writer_dsn(dsn)) as connection:
        prepare(connection)


def run_projector(settings: Settings, folder: RunFolder | None = None) -> None:
    """The process `grantbook projector`: until SIGTERM or SIGINT. `folder`: where it counts, if no supervisor has started it."""
    app = bootstrap(settings)
    take_part("projector", app, folder)
    stop = threading.Event()

    def new_reader() -> PersonalReader:
        return PersonalReader(app.keyring.open, app.keyring.prefetch)

    sweeping = Sweeping(app)
    depositing = Depositing(settings, app.services, app.dsn)
    projector = Projector(
        app.dsn, new_reader, sweep=sweeping.round, sealing=Sealing(settings, app.services, depositing), depositing=depositing,
        views_check=_views_check(settings, app.dsn, new_reader), expiry=Expiry(app, new_reader).round,
    )  # fmt: skip
    with stopping_on_signals(stop):
        try:
            projector.run(stop)
        finally:
            app.close()


def _views_check(settings: Settings, dsn: str, new_reader: Callable[[], PersonalReader]) -> ViewsCheck | None:
    hours = settings.verify_views_hours
    return ViewsCheck(writer_dsn(dsn), new_reader, PROJECTIONS, timedelta(hours=hours)) if hours else None
