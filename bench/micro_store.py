"""Microseconds of the store's parts on a throw-away database: `python -m bench.micro_store [seconds per part]`."""

from __future__ import annotations

import itertools
import secrets
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg

from domain.base import Personal
from infrastructure.store.reader import read_events, read_rows
from infrastructure.store.sequencer import Sequencer
from infrastructure.store.store import PostgresStore
from infrastructure.store.verify import verify_ledger
from tests.infrastructure.store import given
from tests.support.postgres import Database, running_cluster

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0


def timed(name: str, work: Callable[[], Any], each: int = 1) -> None:
    work()
    count, started, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - started < SECONDS:
        work()
        count += each
    passed, used = time.perf_counter() - started, time.process_time() - cpu
    print(f"{name:58} {passed / count * 1e6:9.1f} µs   client CPU {used / count * 1e6:7.1f} µs")


def cpu_parts(store: PostgresStore, made: given.World) -> None:
    keyring = store.keyring
    personal = Personal(str(made.member), "192.0.2.7")
    context = made.context()
    standing = given.standing(store, made)
    numbers = itertools.count()
    timed("event key, one value sealed", lambda: keyring.seal(personal, f"{made.grant}:{next(numbers)}", context.now))

    def rotated() -> Any:
        grant = standing.grant.copy()
        given.rotate(grant, standing, made)
        return grant.pending_events[0]

    event: Any = rotated()
    timed("domain: copy, context, rotation", rotated)
    timed("encode tokens_refreshed, address and user agent sealed", lambda: store.mapper.encode(event))
    topic, state = store.mapper.encode(event)
    print(f"    ({len(state)} bytes)")
    timed("decode tokens_refreshed", lambda: store.mapper.decode(event.originator_id, event.originator_version, topic, state))
    decoded = store.mapper.decode(event.originator_id, event.originator_version, topic, state)
    timed("open one sealed value", lambda: keyring.open(decoded.address, f"{event.originator_id}:{event.originator_version}"))
    timed("cached_standing", lambda: store.cached_standing(made.grant))


def database_parts(store: PostgresStore, made: given.World, database: Database) -> None:
    timed("standing, warm (one tail of five)", lambda: store.standing(made.grant))
    timed("load(Member), warm", lambda: store.load(type(given.standing(store, made).member), made.member))

    def rotation() -> None:
        cached = store.cached_standing(made.grant)
        assert cached is not None
        grant = cached.grant
        head = grant.version
        given.rotate(grant, cached, made)
        assert store.append_rotation(grant, cached, head=head)

    timed("append_rotation with all before it", rotation)

    def conditional() -> None:
        on = given.standing(store, made)
        given.rotate(on.grant, on, made)
        store.append([on.grant], [on.consent, on.client, on.member, on.account])

    timed("standing, then conditional append", conditional)

    with psycopg.connect(database.web_dsn, autocommit=True) as connection:
        sequencer = Sequencer(connection)
        cold(store, made, database)
        started, count = time.perf_counter(), 0
        while placed := sequencer.sequence():
            count += placed
        print(f"{'sequencer, per event':58} {(time.perf_counter() - started) / count * 1e6:9.1f} µs   ({count} events)")
        timed("read_rows, per event", lambda: read_rows(connection, 0, 1000), each=1000)
        timed("read_events, per event", lambda: read_events(connection, store.mapper, 0, 1000), each=1000)
        started = time.perf_counter()
        assert verify_ledger(connection) == []
        print(f"{'verify_ledger, per event':58} {(time.perf_counter() - started) / count * 1e6:9.1f} µs")


def cold(store: PostgresStore, made: given.World, database: Database) -> None:
    with given.store_on(database, cache_size=1) as other:
        other.standing(made.grant)
        timed(f"standing, cold (grant of {given.standing(store, made).grant.version} versions, snapshot)", lambda: other.standing(made.grant))


def main() -> None:
    with running_cluster() as cluster, cluster.fresh() as database, given.store_on(database) as store:
        made = given.world(store)
        print(f"run {secrets.token_hex(2)}, fsync off")
        cpu_parts(store, made)
        database_parts(store, made, database)


if __name__ == "__main__":
    main()
