"""All SQL that writes the consents: the table, and whole rows in and out as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from projections.connection import Connection
from projections.consents.projection import Row, fold, keys
from projections.definition import Names
from projections.events import Event, PersonalReader
from projections.literals import array, clean_values, json_text
from projections.view import run

TABLES = {"consents": ("consent_id",)}

# Times are microseconds, so that rows travel as JSON in both directions.
_COLUMNS = """
    consent_id uuid, account_id uuid, member_id uuid, client_stream uuid, in_force boolean, version bigint, requested text[], approved text[],
    denied text[], projects text[], keep_alive boolean, resource text, lifetimes jsonb, text text, held text[], grant_id uuid, given bigint,
    given_position bigint, changed bigint, changed_position bigint, refused bigint, refused_position bigint, ended bigint, ended_by uuid,
    ended_reason text, ended_reason_of uuid, ended_position bigint"""


def create(connection: Connection, names: Names) -> None:
    connection.execute(f"CREATE TABLE {names['consents']} ({_COLUMNS}, PRIMARY KEY (consent_id)) WITH (fillfactor = 80)")


def index(connection: Connection, names: Names, how: str) -> None:
    connection.execute(f"CREATE INDEX {how} ON {names['consents']} (account_id, member_id)")
    connection.execute(f"CREATE INDEX {how} ON {names['consents']} (account_id, client_stream)")


_LOAD = "SELECT row_to_json(t) FROM {consents} t WHERE consent_id = ANY(%s::uuid[])"

_SAVE = (
    "INSERT INTO {consents} SELECT * FROM json_to_recordset(%s::json) AS r ("
    + _COLUMNS
    + """) ON CONFLICT (consent_id) DO UPDATE SET
    member_id = excluded.member_id, client_stream = excluded.client_stream, in_force = excluded.in_force, version = excluded.version,
    requested = excluded.requested, approved = excluded.approved, denied = excluded.denied, projects = excluded.projects,
    keep_alive = excluded.keep_alive, resource = excluded.resource, lifetimes = excluded.lifetimes, text = excluded.text, held = excluded.held,
    grant_id = excluded.grant_id, given = excluded.given, given_position = excluded.given_position, changed = excluded.changed,
    changed_position = excluded.changed_position, refused = excluded.refused, refused_position = excluded.refused_position,
    ended = excluded.ended, ended_by = excluded.ended_by, ended_reason = excluded.ended_reason,
    ended_reason_of = excluded.ended_reason_of, ended_position = excluded.ended_position
"""
)

SCRUB = ("UPDATE {consents} SET ended_reason = NULL, ended_reason_of = NULL WHERE account_id = %s AND ended_reason_of = %s",)


def apply(connection: Connection, names: Names, events: Iterable[Event], reader: PersonalReader) -> None:
    kept = list(events)
    wanted = keys(kept)
    rows: dict[str, Row] = {}
    if wanted:
        found = run(connection, names, _LOAD, (array(wanted),)).fetchall()
        rows = {row["consent_id"]: row for (row,) in found}
    folded = fold(kept, rows, reader)
    if folded.changed:
        run(connection, names, _SAVE, (json_text(list(folded.changed.values())),))
    for erased in folded.erased:
        for statement in SCRUB:
            run(connection, names, statement, erased)


_TIMES = {name: f"'epoch'::timestamptz + k.{name} * interval '1 microsecond'" for name in ("given", "changed", "refused", "ended")}

_LIST = (
    """
SELECT k.consent_id::text, k.member_id::text, m.name, k.client_stream::text, c.client_id, coalesce(nullif(c.name, ''), c.client_id), c.fingerprint,
    k.in_force, k.version, k.requested, k.approved, k.denied, k.projects, k.keep_alive, k.resource, k.lifetimes, k.text, k.held, k.grant_id::text,
    {given}, k.given_position, {changed}, k.changed_position, {refused}, k.refused_position, {ended}, k.ended_by::text, e.name, k.ended_reason,
    k.ended_position
FROM views.consents k LEFT JOIN views.members m ON m.member_id = k.member_id LEFT JOIN views.clients c ON c.client_stream = k.client_stream
LEFT JOIN views.members e ON e.member_id = k.ended_by
WHERE k.account_id = %(account)s AND """.format(**_TIMES)
    + "{filter} ORDER BY k.changed_position DESC LIMIT %(limit)s"
)

_FILTERS = {
    "consent_id": "k.consent_id = %(consent_id)s",
    "member_id": "k.member_id = %(member_id)s",
    "client_stream": "k.client_stream = %(client_stream)s",
    "fingerprint": "k.client_stream IN (SELECT client_stream FROM views.clients WHERE account_id = %(account)s AND fingerprint = %(fingerprint)s)",
    "in_force": "k.in_force = %(in_force)s",
    "before": "k.changed_position < %(before)s",
}


def select(connection: Connection, account_id: str, *, limit: int, **filters: Any) -> list[tuple[Any, ...]]:
    """Consents, last changed first."""
    given = {name: value for name, value in filters.items() if value is not None}
    query = _LIST.replace("{filter}", " AND ".join(_FILTERS[name] for name in given) or "true")
    rows: list[tuple[Any, ...]] = connection.execute(query, {"account": account_id, "limit": limit, **clean_values(given)}).fetchall()
    return rows
