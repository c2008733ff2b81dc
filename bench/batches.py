"""What a batch of refreshes costs the leading projector, in CPU: `python -m bench.batches`."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Generator, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from bench.place import Place, free_port, temporary_folder
from bench.projections import INSERT, Row, Session, Source
from infrastructure.clock import now
from infrastructure.database import BY_INDEX, PROJECTOR, connect, with_parameters
from infrastructure.projector_workers import writer_dsn
from infrastructure.store.sequencer import Sequencer
from projections.events import PersonalReader
from projections.preparing import prepare
from projections.runner import Runner

SESSIONS, BATCH, BATCHES = 2000, 200, 60


def measure(place: Place) -> None:
    with (
        place.app() as app,
        connect(place.postgres.web_dsn) as writer,
        connect(with_parameters(place.postgres.web_dsn, application_name=PROJECTOR, options=BY_INDEX)) as leading,
        connect(writer_dsn(place.postgres.web_dsn)) as projecting,
    ):
        source, sessions = Source(app, now() - timedelta(days=1)), []
        prepare(projecting)
        sequencer, runner = Sequencer(leading), Runner(projecting, PersonalReader(app.keyring.open, app.keyring.prefetch))

        def write(rows: Iterable[Row]) -> None:
            with writer.pipeline():
                for row in rows:
                    writer.execute(INSERT, row, prepare=True)

        write((*source.people(), *source.registration()))
        for _ in range(SESSIONS):
            begun: list[Row] = []
            sessions.append(_collected(source.session(), begun))
            write(begun)
        costs: dict[str, list[float]] = {"order": [], "order, database": [], "views": [], "views, database": []}
        for number in range(-BATCHES, BATCHES):
            write([row for session in random.sample(sessions, BATCH) for row in source.rotate(session)])
            if number == 0:
                with place.superuser() as connection:
                    connection.execute("VACUUM ANALYZE")
            for name, session, work in (("order", leading, sequencer.sequence), ("views", projecting, runner.step)):
                own, database = time.thread_time(), backend_seconds(session)
                work()
                if number > 0:
                    costs[name].append(time.thread_time() - own)
                    costs[f"{name}, database"].append(backend_seconds(session) - database)
    for name, taken in costs.items():
        print(f"{name:18}{statistics.quantiles(taken, n=10)[0] * 1e6 / BATCH:>6.1f} µs of CPU a refresh (lower decile of batches of {BATCH})")


def _collected(made: Generator[Row, None, Session], rows: list[Row]) -> Session:
    while True:
        try:
            rows.append(next(made))
        except StopIteration as ended:
            session: Session = ended.value
            return session


def backend_seconds(connection: psycopg.Connection[Any]) -> float:
    """Seconds of CPU that the connection's backend has used; exact while it waits."""
    return int(Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9


def main() -> None:
    with temporary_folder() as folder:
        place = Place(folder, free_port())
        with place.database():
            measure(place)


if __name__ == "__main__":
    main()
