"""What questions about the past cost: warm, and from a cold disk; and the page that asks them twice."""

from __future__ import annotations

import os
import random
import statistics
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
from infrastructure.database import connect
from infrastructure.past.answers import Past
from infrastructure.past.holders import Asked, Holders
from infrastructure.past.moments import Moment, head, moment_of
from infrastructure.past.questions import QUESTIONS, Asking

_PEOPLE = "SELECT member_id::text FROM views.sessions WHERE account_id = %s GROUP BY 1 ORDER BY count(*) DESC, 1"
_CLIENTS = "SELECT client_stream::text FROM views.sessions WHERE account_id = %s GROUP BY 1 ORDER BY count(*) DESC, 1"
_PAIR = "SELECT member_id::text, client_stream::text FROM views.sessions WHERE account_id = %s GROUP BY 1, 2 ORDER BY count(*) DESC, 1, 2 LIMIT 1"
_READ = "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint FROM pg_stat_xact_user_tables"
_COLD_MOMENTS, _TIMES = 3, 3


class Counted(psycopg.Cursor[Any]):
    """Counts the statements of its process."""

    statements = 0

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        Counted.statements += 1
        return super().execute(*args, **kwargs)


@dataclass(slots=True)
class Cost:
    """Milliseconds warm and cold, and what the dearest answer took: lines, rows of the database, statements."""

    warm: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    lines: int = 0
    rows: int = 0
    statements: int = 0

    def __str__(self) -> str:
        warm = f"{quantile(self.warm, 0.5):9,.0f}{quantile(self.warm, 0.95):8,.0f}{max(self.warm):8,.0f}"
        cold = f"{statistics.median(self.cold):9,.0f}{max(self.cold):8,.0f}" if self.cold else " " * 17
        return f"{warm}{cold}{self.lines:9,}{self.rows:10,}{self.statements:6}"


Ask = Callable[[Past, Moment], int]
"""Answers a question as of a moment; how many lines."""


def measured(place: Place, moments: int) -> None:
    """Every question at the same moments, warm, then a few of them cold."""
    with asking(place) as past:
        sizes(past)
        cases, now = dict(questions(past)), head(past.connection)
        chance = random.Random(now)
        positions = sorted(chance.randrange(now // 10, now) for _ in range(moments))
        costs = {name: Cost() for name in cases}
        for name, ask in cases.items():
            for position in positions:
                _warm(past, position, ask, costs[name])
    for name, ask in cases.items():
        for position in positions[:: max(1, len(positions) // _COLD_MOMENTS)][:_COLD_MOMENTS]:
            chill(place)
            with asking(place) as past:
                costs[name].cold.append(_timed(past, _moment(past, position), ask)[0])
    print(f"{'ms':<34}{'p50':>9}{'p95':>8}{'max':>8}{'cold p50':>9}{'max':>8}{'lines':>9}{'rows read':>10}{'stat.':>6}")
    for name, cost in costs.items():
        print(f"{name:<34}{cost}", flush=True)


def page(place: Place, moments: int) -> None:
    """The page by HTTP: both answers, what changed, bars and links."""
    browser = Browser(place.port)
    browser.sign_in()
    with place.superuser() as connection:
        now = head(connection)
    chance, cost = random.Random(now), Cost()
    for position in sorted(chance.randrange(now // 10, now) for _ in range(moments)):
        cost.warm += [browser.get(f"/settings/replay?position={position}").ms for _ in range(_TIMES)]
    print(f"{'the page /settings/replay':<34}{cost}", flush=True)


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
    cost.warm += [_timed(past, moment, ask)[0] for _ in range(_TIMES)]


def _timed(past: Past, moment: Moment, ask: Ask) -> tuple[float, int]:
    began = time.perf_counter()
    lines = ask(past, moment)
    return (time.perf_counter() - began) * 1000, lines


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
