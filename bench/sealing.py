"""What the ledger costs beside the refreshes that fill it: `python -m bench.sealing [--seconds 20] [--rate 1000]`.

One process refreshes as the web worker does, orders the events, and seals them, in turn, as much as a second brings at that rate.
CPU is that of this process and of the database's, in nanoseconds from the kernel's scheduler.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bench import seed
from bench.on_the_loop import worker
from bench.place import Place, free_port, temporary_folder
from bench.profile import refreshes
from infrastructure.database import connect
from infrastructure.ledger.sealing import Sealing
from infrastructure.logs import configure_logs
from infrastructure.store.sequencer import Sequencer
from web.app import create_app, wrapped

SESSIONS = 500
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


@dataclass
class Meter:
    """CPU seconds by what they were spent on: ours and the database's."""

    connection: psycopg.Connection[Any]
    spent: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, what: str, work: Callable[[], object]) -> None:
        before = self._now()
        work()
        after = self._now()
        ours, theirs = self.spent.setdefault(what, [0.0, 0.0]), [after[0] - before[0], after[1] - before[1]]
        ours[0], ours[1] = ours[0] + theirs[0], ours[1] + theirs[1]

    def _now(self) -> tuple[float, float]:
        return time.process_time(), sum(_scheduled(pid) for (pid,) in self.connection.execute(_BACKENDS).fetchall())


def _scheduled(pid: int) -> float:
    """Seconds that a process has run."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return 0.0


def run(seconds: int, rate: int) -> None:
    with temporary_folder() as folder:
        place = Place(folder, free_port())
        with place.database():
            seeded = seed.seed(place, 50)
            with place.app() as app:
                tokens = list(seed.sessions(app, seeded, SESSIONS))
            with (
                place.app() as app, place.superuser() as watching, connect(app.dsn) as leading, Path(os.devnull).open("ab") as nowhere,
                worker(wrapped(app, create_app(app))) as serving,
            ):  # fmt: skip
                configure_logs("json", stream=nowhere)
                work, meter = refreshes(serving, seeded, tokens), Meter(watching)
                sequencer = Sequencer(leading)
                seal = Sealing(app.settings, app.services).term(leading)

                def order() -> None:
                    while sequencer.sequence():
                        pass

                def refresh() -> None:
                    serving.run(work, rate)

                order()
                seal(leading, sequencer.sequence)
                refresh()
                order()
                for _ in range(seconds):
                    meter.measure("refresh", refresh)
                    meter.measure("order", order)
                    meter.measure("sealing", lambda: seal(leading, sequencer.sequence))
                _told(meter, seconds * rate)


def _told(meter: Meter, events: int) -> None:
    whole = sum(meter.spent["refresh"])
    for what, (ours, theirs) in meter.spent.items():
        each = f"{ours / events * 1e6:6.1f} + {theirs / events * 1e6:6.1f} µs for each of {events:,} refreshes (process + database)"
        print(f"{what:8} {each}, {(ours + theirs) / whole:6.1%} of the refresh path")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sealing", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rate", type=int, default=1000, help="refreshes between two checkpoints")
    given = parser.parse_args()
    run(given.seconds, given.rate)


if __name__ == "__main__":
    main()
