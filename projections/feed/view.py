"""The SQL that reads events in their order, and how its answer is fetched."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from typing import Any, cast

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.generators import fetch_many

from projections.connection import Connection
from projections.events import Event, decode
from projections.literals import text_array

_COLUMNS = """p.position, to_char(p.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00'), p.account_id::text, p.originator_id::text,
    p.originator_version, e.topic, e.state"""

# The lookup stands in a subquery that can't be pulled up: one index probe per position, whatever the planner believes. It names the position, which
# never comes twice, so that the planner doesn't keep what was found (Memoize): that copies each state once more, and none is asked for again.
_EVENT = """LATERAL (
    SELECT p.position, topic, state FROM events
    WHERE originator_id = p.originator_id AND originator_version = p.originator_version OFFSET 0) e"""
_READ = f"""
SELECT {_COLUMNS} FROM positions p CROSS JOIN {_EVENT}
WHERE p.position > $1 AND p.position <= $2 AND e.topic = ANY($3::text[]) ORDER BY p.position
""".encode()

# The same, without knowing the head: events of other topics, of which there are few, come too, so that the end of the batch is known.
_FOLLOW = f"""
SELECT {_COLUMNS} FROM (SELECT * FROM positions WHERE position > %s ORDER BY position LIMIT %s) p LEFT JOIN {_EVENT} ON true
ORDER BY p.position
"""


def follow(connection: Connection, after: int, limit: int, topics: Collection[str]) -> tuple[list[Event], int]:
    """The events with these topics among the next `limit` positions, and the last of those positions."""
    rows = connection.execute(_FOLLOW, (after, limit), prepare=True, binary=True).fetchall()
    return [decode(row) for row in rows if row[5] in topics], rows[-1][0] if rows else after


def ask(connection: Connection, after: int, until: int, topics: Sequence[str]) -> None:
    """Ask for the events after one position up to another with these topics, in order, and don't wait.

    `answered` has their rows; until then the connection can do nothing else.
    """
    values = [b"%d" % after, b"%d" % until, text_array(topics).encode()]
    _libpq(connection).send_query_params(_READ, values, result_format=pq.Format.BINARY)


def take_in(connection: Connection) -> None:
    """Fetch what has come of the answer, so that the database can send more."""
    _libpq(connection).consume_input()


def answered(connection: Connection) -> list[tuple[Any, ...]]:
    """The rows that were asked for, each for `decode`."""
    result = _results(connection)[0]
    if result.status != pq.ExecStatus.TUPLES_OK:
        raise psycopg.errors.error_from_result(result)
    rows = Transformer(_psycopg(connection))
    rows.set_pgresult(result)
    return rows.load_rows(0, result.ntuples, tuple)


def drop(connection: Connection) -> None:
    """Take in what was asked for, and forget it: the connection is free then. Whoever uses it next finds out if it is lost."""
    with contextlib.suppress(psycopg.OperationalError):
        _results(connection)


def _results(connection: Connection) -> list[pq.abc.PGresult]:
    return _psycopg(connection).wait(fetch_many(_libpq(connection)))


def _libpq(connection: Connection) -> pq.abc.PGconn:
    return _psycopg(connection).pgconn


def _psycopg(connection: Connection) -> psycopg.Connection[Any]:
    return cast("psycopg.Connection[Any]", connection)
