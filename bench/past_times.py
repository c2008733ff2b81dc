"""What questions about the past cost: warm, and from a cold disk; and the page that asks them twice."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from bench.audit import quantile
from bench.pages_browser import Browser
from bench.past_life import SCOPES
from bench.place import Place
from bench.projections import backend_cpu
from infrastructure.database import connect
from infrastructure.past.answers import Past
from infrastructure.past.holders import Asked, Holders
from infrastructure.past.moments import Moment, head, moment_of
from infrastructure.past.questions import QUESTIONS, Asking

_PEOPLE = "SELECT member_id::text FROM views.sessions WHERE account_id = %s GROUP BY 1 ORDER BY count(*) DESC, 1"
_CLIENTS = "SELECT client_stream::text FROM views.sessions WHERE account_id = %s GROUP BY 1 ORDER BY count(*) DESC, 1"
_PAIR = "SELECT member_id::text, client_stream::text FROM views.sessions WHERE account_id = %s GROUP BY 1, 2 ORDER BY count(*) DESC, 1, 2 LIMIT 1"
_READ = "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint FROM pg_stat_xact_user_tables"
_COLD_MOMENTS, _TIMES = 3, 2
_HEAD = f"{'p50 ms':>9}{'p95':>8}{'max':>8}{'CPU':>8}{'lines':>9}{'rows':>9}{'stat.':>7}"


class Counted(psycopg.Cursor[Any]):
    """Counts the statements of its process."""

    statements = 0

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        Counted.statements += 1
        return super().execute(*args, **kwargs)


@dataclass(slots=True)
class Cost:
    """Milliseconds of each answer, of them the processor's (ours and the database's); of the largest its lines, rows read and statements."""

    ms: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    lines: int = 0
    rows: int = 0
    statements: int = 0

    def __str__(self) -> str:
        took = f"{quantile(self.ms, 0.5):9,.0f}{quantile(self.ms, 0.95):8,.0f}{max(self.ms):8,.0f}"
        cpu = f"{sum(self.cpu) / len(self.cpu):8,.0f}" if self.cpu else " " * 8
        return f"{took}{cpu}{self.lines or '':>9}{self.rows or '':>9}{self.statements or '':>7}"


Ask = Callable[[Past, Moment], int]
"""Answers a question as of a moment; how many lines."""


def measured(place: Place, moments: int) -> None:
    """Every question at the same moments, warm, then at a few of them cold."""
    with asking(place) as past:
        sizes(past)
        cases, positions = dict(questions(past)), _positions(past.connection, moments)
        print(f"{'warm':<32}{_HEAD}")
        for name, ask in cases.items():
            cost = Cost()
            for position in positions:
                _warm(past, position, ask, cost)
            print(f"{name:<32}{cost}", flush=True)
    print(f"\n{'cold':<32}{_HEAD}")
    for name, ask in cases.items():
        cost = Cost()
        for position in positions[:: max(1, len(positions) // _COLD_MOMENTS)][:_COLD_MOMENTS]:
            chill(place)
            with asking(place) as past:
                _timed(past, _moment(past, position), ask, cost)
        print(f"{name:<32}{cost}", flush=True)


def page(place: Place, moments: int) -> None:
    """The page by HTTP: both answers, what changed, bars and links."""
    browser = Browser(place.port)
    browser.sign_in()
    with place.superuser() as connection:
        positions, cost = _positions(connection, moments), Cost()
    for position in positions:
        cost.ms += [browser.get(f"/settings/replay?position={position}").ms for _ in range(_TIMES + 1)][1:]
    print(f"\n{'the page /settings/replay':<32}{cost}", flush=True)


def questions(past: Past) -> Iterator[tuple[str, Ask]]:
    """What is asked: about the busiest and a middling person and registration, everybody in one project, everybody."""
    people, clients = (_column(past, sql) for sql in (_PEOPLE, _CLIENTS))
    for which, number in (("the busiest", 0), ("a middling", 1 / 2)):
        yield f"{which} person", _as_of(Asked(member_id=people[int(number * len(people))]))
        yield f"{which} client", _as_of(Asked(client_stream=clients[int(number * len(clients))]))
    yield "a project and a scope", _as_of(Asked(project_id="prj_2", scope=SCOPES[-1]))
    yield "the whole account", _as_of(Asked())
    member, client = past.connection.execute(_PAIR, (past.account_id,)).fetchone() or ("", "")
    shared = {"client_stream": client, "member_id": member}
    yield "explain", _question("explain", scope=SCOPES[-1], project_id="prj_2", **shared)
    yield "ending of a person's sessions", _question("ending", member_id=people[0])
    yield "who, with the consents' texts", _question("who")
    yield "review of the whole account", _question("review")


def _as_of(asked: Asked) -> Ask:
    def ask(past: Past, moment: Moment) -> int:
        return len(Holders(past.connection, past.mapper, past.keyring, past.account_id).at(moment, asked))

    return ask


def _question(name: str, **given: Any) -> Ask:
    def ask(past: Past, moment: Moment) -> int:
        return len(QUESTIONS[name].answer(past, Asking(now=moment, moment=moment, **given)).lines)

    return ask


def _warm(past: Past, position: int, ask: Ask, cost: Cost) -> None:
    moment = _moment(past, position)
    with past.connection.transaction():
        before, rows = Counted.statements, past.connection.execute(_READ).fetchone() or (0,)
        lines = ask(past, moment)
        after = past.connection.execute(_READ).fetchone() or (0,)
        cost.statements = max(cost.statements, Counted.statements - before - 2)
    cost.lines, cost.rows = max(cost.lines, lines), max(cost.rows, after[0] - rows[0])
    for _ in range(_TIMES):
        _timed(past, moment, ask, cost)


def _timed(past: Past, moment: Moment, ask: Ask, cost: Cost) -> None:
    began, cpu = time.perf_counter(), _cpu(past)
    ask(past, moment)
    cost.ms.append((time.perf_counter() - began) * 1000)
    cost.cpu.append(_cpu(past) - cpu)


def _cpu(past: Past) -> float:
    """Milliseconds that this process and its connection's backend have used."""
    return (time.process_time() + backend_cpu(past.connection)) * 1000


def _positions(connection: psycopg.Connection[Any], moments: int) -> list[int]:
    """The same at each run."""
    now, chance = head(connection), random.Random(moments)
    return sorted(int(now * (0.1 + 0.9 * chance.random())) for _ in range(moments))


def _moment(past: Past, position: int) -> Moment:
    found = moment_of(past.connection, position)
    assert found is not None
    return found


def _column(past: Past, sql: str) -> list[str]:
    return [row[0] for row in past.connection.execute(sql.encode(), (past.account_id,)).fetchall()]


@contextmanager
def asking(place: Place) -> Iterator[Past]:
    """A process that has asked nothing yet: connections and keys of its own."""
    with place.app() as app, connect(place.postgres.web_dsn) as connection:
        connection.cursor_factory = Counted
        (account_id,) = connection.execute("SELECT account_id::text FROM accounts").fetchone() or ("",)
        yield Past(connection, app.store.mapper, app.keyring, str(UUID(account_id)))


def sizes(past: Past) -> None:
    """How much there is to ask about."""
    sql = """SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM events WHERE topic = 'grant.tokens_refreshed'),
        (SELECT count(*) FROM views.sessions), pg_size_pretty(pg_table_size('events')), pg_size_pretty(pg_indexes_size('events')),
        pg_size_pretty(pg_relation_size('events_of_grants'))"""
    row = past.connection.execute(sql).fetchone() or ()
    print("{:,} events, {:,} of them rotations, of {:,} sessions; rows {}, indexes {}, of these events_of_grants {}\n".format(*row), flush=True)


def chill(place: Place) -> None:
    """Start the database anew, with nothing of its files in memory: neither in its own nor in the operating system's."""
    place.postgres.stop()
    for path in place.data_dir.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)
    place.postgres.start()
