"""`make bench`: a short benchmark of this machine. It seeds a server of its own, needs nothing else, and leaves nothing behind."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench import report
from bench.counters import Counters, Sample
from bench.lag import Lag
from bench.load import Outcome, Running
from bench.place import Place, free_port, temporary_folder
from bench.seed import await_projector, settle
from bench.statements import count
from bench.workloads import NAMES, Workloads

_SETTLE_S = 0.5


@dataclass(frozen=True, slots=True)
class Given:
    """What was asked for on the command line."""

    workloads: tuple[str, ...]
    connections: tuple[int, ...]
    seconds: float
    sessions: int
    members: int
    workers: int
    threads: int
    statements: bool


def main() -> None:
    given = _given()
    with temporary_folder() as folder:
        place = Place(folder, free_port(), given.workers, given.threads)
        began = time.monotonic()
        with place.database(), place.served() as server:
            workloads = Workloads.seeded_with(place, given.sessions, given.members)
            settle(place)
            report.opening(given.sessions, given.members, given.workers, given.threads, time.monotonic() - began)
            with place.superuser() as connection:
                postmaster = int(place.postmaster().read_text().split("\n", 1)[0])
                counters = Counters(server, postmaster, connection)
                for name in given.workloads:
                    for connections in given.connections:
                        _measure(place, workloads, counters, name, connections, given.seconds)
            if given.statements:
                report.statements({name: count(place, workloads, name) for name in given.workloads})


def _measure(place: Place, workloads: Workloads, counters: Counters, name: str, connections: int, seconds: float) -> None:
    job = workloads.job(name, seconds + min(1.0, seconds / 2))
    with place.superuser() as connection:
        connection.execute("CHECKPOINT")
    with _watched(place) as lag:
        running = Running(job, connections, seconds, warm_up=min(1.0, seconds / 4))
        _sleep_until(running.begins)
        before = counters.sample()
        _sleep_until(running.ends)
        in_time = counters.sample().since(before)
        outcome = running.result()
        await_projector(place)  # what is deferred belongs to the cost
        cost = counters.sample().since(before)
        time.sleep(_SETTLE_S if name == "refresh" else 0.0)
    workloads.take_back(name, outcome.items)
    _told(name, connections, seconds, outcome, cost, in_time, lag)


def _told(name: str, connections: int, seconds: float, outcome: Outcome, cost: Sample, in_time: Sample, lag: Lag) -> None:
    other = in_time.busy_s - in_time.server_s - in_time.database_s - outcome.cpu_s
    report.line(name, connections, seconds, outcome, cost, other)
    if name in ("refresh", "code") and outcome.good:
        report.lag(lag.seconds, seconds)


@contextlib.contextmanager
def _watched(place: Place) -> Iterator[Lag]:
    with place.superuser() as connection, Lag(connection) as lag:
        yield lag


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _given() -> Given:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--workloads", default=",".join(NAMES), help="of refresh, code, introspect, register, metadata")
    parser.add_argument("--connections", default="1,16")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each run")
    parser.add_argument("--sessions", type=int, default=2000, help="more than 50000 are more than a worker caches")
    parser.add_argument("--members", type=int, default=2000, help="people whose sessions these are")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=8, help="of each worker")
    parser.add_argument("--no-statements", action="store_true", help="leave out the pass that counts statements")
    found = parser.parse_args()
    connections = tuple(int(c) for c in found.connections.split(","))
    names = tuple(found.workloads.split(","))
    return Given(names, connections, found.seconds, found.sessions, found.members, found.workers, found.threads, not found.no_statements)


if __name__ == "__main__":
    main()
