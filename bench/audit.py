"""The audit log with many rows: `python -m bench.audit 5000000` writes them, then asks for every filter that the page offers, and for exports.

The events are made by the domain over a year (bench/audit_life.py), encoded and sealed by the product's own mapper, put in order by its sequencer
and shown by its projections; the pages are asked for by HTTP from a server as in production.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice, product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

from application.open_account import open_account
from application.services import Origin
from bench.audit_life import DISTINCT_APPS, PEOPLE, Life
from bench.pages_browser import ADMIN, PASSWORD, Browser
from bench.place import Place, free_port, temporary_folder
from bench.seed import await_projector, settle
from domain.account import Account
from infrastructure.bootstrap import bootstrap
from infrastructure.clock import now
from infrastructure.database import connect
from infrastructure.projector_workers import writer_dsn
from infrastructure.store.sequencer import Sequencer
from projections.audit_log import view
from projections.events import PersonalReader
from projections.preparing import prepare
from projections.rebuild import rebuild
from projections.registry import PROJECTIONS

SLUG, YEAR = "bench", timedelta(days=365)
TYPES = ("", "access_token.issued", "oauth_client.blocked", "plan.changed")
_COPY = "COPY events (originator_id, originator_version, topic, state, account_id) FROM STDIN"
_CHUNK, _APPS = 20_000, "apps.json"
_OLDER = re.compile(r'before=(\d+)"')


@dataclass(slots=True)
class Times:
    """Milliseconds of the requests of one combination of filters; `first` are those that nobody asked before."""

    all: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    def add(self, took: list[float], words: str) -> None:
        self.first.append(took[0])
        self.all += took[1:]
        self.slowest = max(self.slowest, (quantile(took[1:], 0.95), words))

    def __str__(self) -> str:
        return f"{quantile(self.all, 0.5):9.1f}{quantile(self.all, 0.95):8.1f}{max(self.first):10.1f}   {self.slowest[0]:.1f}: {self.slowest[1]}"


@dataclass(frozen=True, slots=True)
class Case:
    """One setting of the filters, each by the name it has in the URL with what stands for it in words."""

    given: dict[str, str]

    @property
    def combination(self) -> str:
        return " + ".join("range" if name == "from" else name for name in self.given if name != "to") or "none"

    @property
    def words(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.given.items()) or "no filter"

    def path(self, **more: object) -> str:
        return f"/settings/audit?{urlencode({**self.given, **more})}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=200_000)
    parser.add_argument("--requests", type=int, default=20, help="for each setting of the filters and page")
    parser.add_argument("--folder", type=Path, help="where the rows are kept; what an earlier run has written there is only measured")
    parser.add_argument("--nice", type=int, default=0, help="while writing")
    given = parser.parse_args()
    with contextlib.nullcontext(given.folder) if given.folder else temporary_folder() as folder:
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        run(Place(folder, free_port()), given.rows, given.requests, given.nice)


def run(place: Place, rows: int, requests: int, nice: int) -> None:
    """Write and show what isn't there yet; then measure, as nicely as we were started."""
    apps, before = place.folder / _APPS, os.getpriority(os.PRIO_PROCESS, 0)
    if not apps.exists():
        os.nice(nice)
        with place.database():
            life = written(place, rows)
            shown(place)
        apps.write_text(json.dumps({"busy": life.apps[0][0].client_id, "rare": life.apps[-1][0].client_id}))
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)
    with place.database(), place.served():
        await_projector(place, patience_s=3600.0)  # a newer release builds its views anew
        settle(place)
        sizes(place)
        measured(place, json.loads(apps.read_text()), requests)


# ---- writing


def written(place: Place, rows: int, kind: type[Life] = Life) -> Life:
    """Open the account a year ago, and let it live until a few days ago."""
    begun = now() - YEAR
    app = bootstrap(place.settings, dsn=f"{place.postgres.web_dsn} options='-c synchronous_commit=off'", clock=lambda: begun)
    facts: dict[str, Any] = {"slug": SLUG, "name": "Bench", "admin_email": ADMIN, "admin_name": "Admin", "password": PASSWORD}
    opened = open_account(app.services, origin=Origin("cli"), **facts)
    account = app.services.store.load(Account, opened.account.id)
    assert account is not None
    life = kind(app, begun, SLUG, account=account.copy(), pace=YEAR * 0.9 / (rows + 40_000))
    life.admin = str(opened.admin.id)
    clock, made = time.perf_counter(), 0
    with connect(place.postgres.web_dsn) as connection:
        for feed in (life.people(), life.days(rows)):
            while chunk := list(islice(feed, _CHUNK)):
                with connection.cursor().copy(_COPY) as copy:
                    for row in chunk:
                        copy.write_row(row)
                made += len(chunk)
    app.close()
    print(f"{made:,} events by {PEOPLE:,} people and {len(life.clients):,} registrations of {DISTINCT_APPS} apps, a year")
    _rate("made and written", made, clock)
    return life


def shown(place: Place) -> None:
    """Put the events in order, and build every view from them."""
    with place.superuser() as connection:
        connection.execute("VACUUM ANALYZE events")
    with connect(writer_dsn(place.postgres.web_dsn)) as connection:
        prepare(connection)
        sequencer, clock, placed = Sequencer(connection), time.perf_counter(), 0
        while some := sequencer.sequence():
            placed += some
        _rate("put in order", placed, clock)
        for projection in PROJECTIONS:
            with place.app() as app:
                clock = time.perf_counter()
                for _ in rebuild(connection, projection, PersonalReader(app.keyring.open, app.keyring.prefetch)):
                    pass
            _rate(f"view {projection.name}", placed, clock)


def _rate(what: str, events: int, since: float) -> None:
    took = time.perf_counter() - since
    print(f"{what:<22}{took:8.0f} s{events / took:>10,.0f} events/s", flush=True)


def sizes(place: Place) -> None:
    """How much the log holds, and on which disk space."""
    with place.superuser() as connection:
        row = connection.execute("SELECT count(*), sum(cardinality(string_to_array(kind, '+'))) FROM views.audit_log").fetchone()
        assert row is not None
        space = """SELECT pg_size_pretty(sum(pg_table_size(relid))), pg_size_pretty(sum(pg_indexes_size(relid)))
            FROM pg_partition_tree((SELECT oid FROM pg_class WHERE relname LIKE 'audit_log_v%' AND relkind = 'p'))"""
        table, index = connection.execute(space).fetchone() or ("", "")
        print(f"audit log: {row[0]:,} rows that hold {row[1]:,} entries; rows {table}, indexes {index}\n")


# ---- asking


def cases(apps: Mapping[str, str]) -> Iterator[Case]:
    """Every combination of what each filter can be: nothing, much, little."""
    today = now().date()
    ranges = [{}, *({"from": str(today - timedelta(a)), "to": str(today - timedelta(b))} for a, b in ((7, 0), (200, 200), (300, 211)))]
    users = ("", "p0@example.com", f"p{PEOPLE - 1}@example.com", "son 1")
    clients = ("", apps["busy"], apps["rare"])
    for days, event_type, user, client in product(ranges, TYPES, users, clients):
        given = {"type": event_type, "user": user, "client": client}
        yield Case({**days, **{name: value for name, value in given.items() if value}})


def measured(place: Place, apps: Mapping[str, str], requests: int) -> None:
    browser = Browser(place.port)
    browser.sign_in()
    tables: dict[str, dict[str, Times]] = {"first page": {}, "a page in the middle": {}, "export, first byte": {}}
    with place.superuser() as connection:
        for case in cases(apps):
            where, middle = case.combination, None
            answer = browser.get(case.path())
            older = _OLDER.findall(answer.body.decode())
            if older:
                middle = (int(older[-1]) + lowest(connection, case)) // 2
            tables["first page"].setdefault(where, Times()).add([answer.ms, *_asked(browser, case.path(), requests)], case.words)
            if middle:
                took = _asked(browser, case.path(before=middle), requests + 1)
                tables["a page in the middle"].setdefault(where, Times()).add(took, case.words)
            path = case.path().replace("/audit?", "/audit/export.csv?")
            tables["export, first byte"].setdefault(where, Times()).add([_first_byte(browser, path) for _ in range(3)], case.words)
    for name, found in tables.items():
        print(f"{name + ', ms by filter':<30}{'p50':>9}{'p95':>8}{'first ask':>10}   p95 of the slowest setting")
        for combination, times in found.items():
            print(f"  {combination:<28}{times}")
        print(flush=True)


def lowest(connection: psycopg.Connection[Any], case: Case) -> int:
    """The position where the range begins."""
    days = case.given.get("from")
    return view.last_before(connection, f"{days} 00:00+00" if days else now() - timedelta(days=89))


def _asked(browser: Browser, path: str, times: int) -> list[float]:
    return [browser.get(path).ms for _ in range(times)]


def _first_byte(browser: Browser, path: str) -> float:
    """From the request to the first row of the file; the rest is left unread, as when somebody breaks off."""
    connection = http.client.HTTPConnection("127.0.0.1", browser.port, timeout=60)
    began = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": browser.cookie})
    answer = connection.getresponse()
    head = answer.readline()
    answer.readline()
    took = (time.perf_counter() - began) * 1000
    connection.close()
    if answer.status != http.HTTPStatus.OK or not head.startswith(b"id,"):
        raise SystemExit(f"{path} answered {answer.status}")
    return took


def quantile(milliseconds: list[float], share: float) -> float:
    ordered = sorted(milliseconds)
    return ordered[round(share * (len(ordered) - 1))]


if __name__ == "__main__":
    main()
