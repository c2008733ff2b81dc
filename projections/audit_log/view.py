"""All SQL that writes the audit log: monthly partitions, COPY in, and what an erasure takes out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import msgspec

from projections.audit_log.projection import Entry, fold
from projections.connection import Connection
from projections.definition import Names
from projections.events import Event, PersonalReader, few
from projections.literals import clean, clean_values
from projections.view import run

TABLES = {"audit_log": ("position",)}
COPIES = True

_COLUMNS = """position, account_id, at, kind, actor_type, actor_id, actor_ip, client_stream, subject_id, grant_id, source, service,
    reason, reason_of, context"""

_CREATE = """
CREATE TABLE {audit_log} (
    position bigint NOT NULL, account_id uuid NOT NULL, at timestamptz NOT NULL, kind text NOT NULL,
    actor_type text NOT NULL, actor_id uuid, actor_ip text, client_stream uuid, subject_id uuid, grant_id uuid, source text NOT NULL,
    service text NOT NULL, reason text, reason_of uuid, context json NOT NULL
) PARTITION BY RANGE (at)
"""

# One per question: everything, one kind, one person acting or concerned, one app, one session; newest first within each. What may be asked besides
# stands behind the position, so that rows which don't fit are passed over without being read. Then for erasures.
_INDEXES = (
    ("all", "(account_id, position)", ""),
    ("kind", "(account_id, kind, position)", ""),
    ("actor", "(actor_id, position, client_stream, hashtext(kind))", "WHERE actor_id IS NOT NULL"),
    ("client", "(client_stream, position, hashtext(kind))", "WHERE client_stream IS NOT NULL"),
    ("subject", "(subject_id, position, client_stream, hashtext(kind))", "WHERE subject_id IS NOT NULL"),
    ("grant", "(grant_id, position)", "WHERE grant_id IS NOT NULL"),
    ("reason", "(reason_of)", "WHERE reason_of IS NOT NULL"),
)


def create(connection: Connection, names: Names) -> None:
    connection.execute(_CREATE.format(**names))


def index(connection: Connection, names: Names, how: str) -> None:
    """Index each partition without stopping writers, then let the parent index adopt them; later partitions get theirs at birth."""
    table = names["audit_log"]
    bare = table.removeprefix("views.")
    for key, columns, where in _INDEXES:
        connection.execute(f"CREATE INDEX {bare}_{key} ON ONLY {table} {columns} {where}")
        for partition in partitions(connection, table):
            connection.execute(f"CREATE INDEX {how} {partition}_{key} ON views.{partition} {columns} {where}")
            connection.execute(f"ALTER INDEX views.{bare}_{key} ATTACH PARTITION views.{partition}_{key}")


def partitions(connection: Connection, table: str) -> list[str]:
    """The names of a table's partitions."""
    query = "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass ORDER BY 1"
    return [row[0] for row in connection.execute(query, (table,)).fetchall()]


_known: set[str] = set()
"""Partitions that were seen; one that this transaction makes may yet be undone."""


def ensure_partitions(connection: Connection, table: str, months: Iterable[str]) -> None:
    """Make the partitions of these months (`2026-11`) that don't exist; attaching one doesn't stop readers."""
    bare = table.removeprefix("views.")
    for month in months:
        name = f"{bare}_p{month.replace('-', '_')}"
        if name in _known:
            continue
        if connection.execute("SELECT to_regclass(%s)", (f"views.{name}",)).fetchone()[0] is not None:
            _known.add(name)
            continue
        connection.execute(f"CREATE TABLE views.{name} (LIKE {table})")
        bounds = f"FROM ('{month}-01 00:00+00') TO ('{following(month)}-01 00:00+00')"
        connection.execute(f"ALTER TABLE {table} ATTACH PARTITION views.{name} FOR VALUES {bounds}")


def following(month: str) -> str:
    """The month after `2026-11`."""
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


_SCRUB = (
    "UPDATE {audit_log} SET actor_ip = NULL WHERE account_id = %s AND actor_id = %s AND position <= %s AND actor_ip IS NOT NULL",
    """UPDATE {audit_log} SET actor_ip = NULL WHERE account_id = %s AND subject_id = %s AND position <= %s AND actor_ip IS NOT NULL
    AND actor_id IS NULL AND kind IN ('login.password.failed', 'login.sso.failed')""",
    "UPDATE {audit_log} SET reason = NULL, reason_of = NULL WHERE account_id = %s AND reason_of = %s AND position <= %s",
)


def apply(connection: Connection, names: Names, events: Iterable[Event], reader: PersonalReader) -> None:
    """The server takes the rows of some events while the next are folded."""
    erased: list[tuple[str, str, int]] = []
    for month, its in groupby(events, lambda event: event.at[:7]):
        ensure_partitions(connection, names["audit_log"], (month, following(month)))
        with connection.cursor().copy(f"COPY {names['audit_log']} ({_COLUMNS}) FROM STDIN") as copy:
            while some := few(its):
                folded = fold(some, reader)
                copy.write("".join([_line(entry) for entry in folded.entries]).encode())
                erased += folded.erased
    for account_id, member_id, position in erased:
        if member_id not in reader.erased_before:
            for statement in _SCRUB:
                run(connection, names, statement, (account_id, member_id, position))


_encode = msgspec.json.Encoder().encode


def _line(entry: Entry) -> str:
    """The row of an event in COPY's text format."""
    event = entry.event
    context = _encode(entry.context).decode()
    if "\\" in context:
        context = context.replace("\\", "\\\\")
    return (
        f"{event.position}\t{event.account_id}\t{event.at}\t{entry.kind}\t{entry.actor_type}\t{entry.actor_id or _NULL}\t"
        f"{_escaped(entry.actor_ip)}\t{entry.client_stream or _NULL}\t{entry.subject_id or _NULL}\t{entry.grant_id or _NULL}\t"
        f"{event.facts['source']}\t{_escaped(entry.service)}\t{_escaped(entry.reason.text)}\t{entry.reason.of or _NULL}\t{context}\n"
    )


_NULL = "\\N"


def _escaped(text: str | None) -> str:
    if text is None:
        return _NULL
    if text.isprintable() and "\\" not in text:
        return text
    return clean(text).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


_SELECT = """
SELECT l.position, l.account_id::text, l.at, l.kind, l.actor_type,
    CASE WHEN l.actor_type = 'client' THEN c.client_id ELSE l.actor_id::text END,
    CASE WHEN l.actor_type = 'client' THEN coalesce(nullif(c.name, ''), c.client_id) ELSE m.name END,
    l.actor_ip, c.client_id, coalesce(nullif(c.name, ''), c.client_id), l.client_stream::text, l.grant_id::text, l.subject_id::text, s.name, l.source,
    l.service, l.reason, l.context
FROM ({found}) f
JOIN views.audit_log l ON l.account_id = %(account)s AND l.position = f.position AND l.at = f.at
LEFT JOIN views.clients c ON c.client_stream = l.client_stream
LEFT JOIN views.members m ON m.member_id = l.actor_id
LEFT JOIN views.members s ON s.member_id = l.subject_id
ORDER BY l.position DESC
"""

# Each branch finds at most `limit` rows off the end of one index, in each month that the range touches; only those that are shown are read whole.
_BRANCH = """
(SELECT position, at FROM views.audit_log WHERE account_id = %(account)s AND position > %(low)s AND position <= %(high)s
    AND at >= %(since)s AND at <= %(until)s{condition} ORDER BY position DESC LIMIT %(limit)s)
"""
_REGISTRATIONS = """SELECT client_stream FROM views.clients WHERE account_id = %(account)s AND fingerprint = (SELECT fingerprint FROM views.clients
    WHERE account_id = %(account)s AND (client_id = %(client)s OR client_stream = %(client_stream)s) LIMIT 1)"""
_PEOPLE = ("actor_id = %(member)s", "subject_id = %(member)s")
_CONCERNED = ("subject_id = %(member)s", "actor_id = %(member)s AND subject_id IS NULL")

# A kind alone has an index to be read from, and so has each registration of an app; beside a person both only sift what that finds.
# An app may have hundreds of registrations: only those whose newest rows are among the newest can hold a row that is shown.
_EACH_KIND = "SELECT l.* FROM unnest(%(kinds)s::text[]) y (name) CROSS JOIN LATERAL {branch} l"
_EACH_REGISTRATION = """
SELECT l.* FROM (SELECT client_stream FROM ({registrations}) k CROSS JOIN LATERAL {first} n ORDER BY position DESC LIMIT %(limit)s) k
CROSS JOIN LATERAL {branch} l
""".replace("{registrations}", _REGISTRATIONS)
_OF_KINDS = "hashtext(kind) = ANY(ARRAY(SELECT hashtext(name) FROM unnest(%(kinds)s::text[]) y (name)))"
_OF_APP = "client_stream = ANY(ARRAY({registrations}))".replace("{registrations}", _REGISTRATIONS)


def select(connection: Connection, *, member: bool, client: bool, values: dict[str, Any], oldest: bool = False) -> list[tuple[Any, ...]]:
    """Rows newest first: of all that are found the newest ones, or the `oldest`.

    `values` has account, low, high, since, until, limit, and kinds, member, client, client_stream, grant.
    """
    kinds, grant = values["kinds"] is not None, values["grant"] is not None
    conditions = ["grant_id = %(grant)s"] if grant else []
    if member:
        return _read(connection, values, _PEOPLE, [*conditions, *([_OF_APP] if client else []), *([_OF_KINDS] if kinds else [])], oldest=oldest)
    if client:
        conditions += ["client_stream = k.client_stream", *([_OF_KINDS] if kinds else [])]
        return _read(connection, values, ("true",), conditions, frame=_EACH_REGISTRATION, oldest=oldest)
    if kinds and not grant:
        return _read(connection, values, ("true",), ["kind = y.name"], frame=_EACH_KIND, oldest=oldest)
    return _read(connection, values, ("true",), [*conditions, *([_OF_KINDS] if kinds else [])], oldest=oldest)


def select_about(connection: Connection, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Rows of the kinds that concern a member, newest first, not what they did to others; `values` as for `select`."""
    return _read(connection, values, _CONCERNED, [_OF_KINDS])


def _read(
    connection: Connection, values: dict[str, Any], each: Sequence[str], conditions: Sequence[str], *, frame: str = "{branch}", oldest: bool = False
) -> list[tuple[Any, ...]]:
    """The rows of all branches together: one for each of `each`, with all `conditions`."""
    branches = [_BRANCH.replace("{condition}", "".join(f" AND {words}" for words in (one, *conditions))) for one in each]
    framed = [frame.replace("{branch}", branch).replace("{first}", branch.replace("%(limit)s", "1")) for branch in branches]
    found = f"SELECT * FROM ({' UNION ALL '.join(framed)}) f ORDER BY position DESC LIMIT %(limit)s"
    if oldest:
        found = found.replace("ORDER BY position DESC", "ORDER BY position")
    rows: list[tuple[Any, ...]] = connection.execute(_SELECT.replace("{found}", found), clean_values(values)).fetchall()
    return rows


# `at` never falls as positions rise, so a moment is found by halving.
_POSITION_AT = """
WITH RECURSIVE halves (low, high) AS (
    SELECT coalesce(min(position), 1) - 1, coalesce(max(position), 0) FROM positions
    UNION ALL
    SELECT CASE WHEN p.at < %(at)s THEN p.position ELSE h.low END, CASE WHEN p.at < %(at)s THEN h.high ELSE p.position - 1 END
    FROM halves h JOIN positions p ON p.position = (h.low + h.high + 1) / 2 WHERE h.low < h.high)
SELECT low FROM halves WHERE low >= high
"""


def last_before(connection: Connection, at: Any) -> int:
    """The last position before a moment; 0 if there is none."""
    row = connection.execute(_POSITION_AT, {"at": at}).fetchone()
    return int(row[0])
