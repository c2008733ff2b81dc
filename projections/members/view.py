"""All SQL that writes the members: the table, and whole rows in and out as JSON."""

from __future__ import annotations

from collections.abc import Iterable

from projections.connection import Connection
from projections.definition import Names
from projections.events import Event, PersonalReader
from projections.literals import array, json_text, uuid_or_none
from projections.members.projection import Row, fold, keys
from projections.view import run

TABLES = {"members": ("member_id",)}

_COLUMNS = """
    member_id uuid, account_id uuid, name text, email text, role text, active boolean, erased boolean, permissions jsonb, added bigint,
    added_by uuid, added_how text, added_position bigint, changed_position bigint, deactivated bigint, deactivated_by uuid,
    deactivated_reason text, deactivated_reason_of uuid, last_sign_in bigint"""


def create(connection: Connection, names: Names) -> None:
    connection.execute(f"CREATE TABLE {names['members']} ({_COLUMNS}, PRIMARY KEY (member_id)) WITH (fillfactor = 80)")


def index(connection: Connection, names: Names, how: str) -> None:
    connection.execute(f"CREATE INDEX {how} ON {names['members']} (account_id, added_position)")
    connection.execute(f"CREATE INDEX {how} ON {names['members']} (account_id, lower(email))")
    connection.execute(f"CREATE INDEX {how} ON {names['members']} (account_id, lower(coalesce(name, email, '')), member_id)")


_LOAD = "SELECT row_to_json(t) FROM {members} t WHERE member_id = ANY(%s::uuid[])"

_SAVE = (
    "INSERT INTO {members} SELECT * FROM json_to_recordset(%s::json) AS r ("
    + _COLUMNS
    + """) ON CONFLICT (member_id) DO UPDATE SET
    name = excluded.name, email = excluded.email, role = excluded.role, active = excluded.active, erased = excluded.erased,
    permissions = excluded.permissions, changed_position = excluded.changed_position, deactivated = excluded.deactivated,
    deactivated_by = excluded.deactivated_by, deactivated_reason = excluded.deactivated_reason,
    deactivated_reason_of = excluded.deactivated_reason_of, last_sign_in = excluded.last_sign_in
"""
)

SCRUB = (
    "UPDATE {members} SET deactivated_reason = NULL, deactivated_reason_of = NULL WHERE account_id = %s AND deactivated_reason_of = %s",
    "UPDATE {members} SET name = NULL, email = NULL WHERE account_id = %s AND member_id = %s AND (name IS NOT NULL OR email IS NOT NULL)",
)


def apply(connection: Connection, names: Names, events: Iterable[Event], reader: PersonalReader) -> None:
    kept = list(events)
    wanted = [key for key in keys(kept) if uuid_or_none(key)]
    found = run(connection, names, _LOAD, (array(wanted),)).fetchall() if wanted else []
    rows: dict[str, Row] = {row["member_id"]: row for (row,) in found}
    folded = fold(kept, rows, reader)
    if folded.changed:
        run(connection, names, _SAVE, (json_text(list(folded.changed.values())),))
    for erased in folded.erased:
        for statement in SCRUB:
            run(connection, names, statement, erased)
