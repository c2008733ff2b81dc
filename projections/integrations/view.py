"""All SQL that writes apps and clients: tables, and the statements for each kind of step."""

from __future__ import annotations

from projections.connection import Connection
from projections.definition import Names
from projections.folding import SteppedView
from projections.integrations.projection import Changed, Decided, Removed, Rows, Scrubbed, fold
from projections.literals import array, json_text
from projections.view import run

TABLES = {"integrations": ("account_id", "fingerprint"), "clients": ("client_stream",), "approval_requests": ("client_stream", "member_id")}

# integrations: one row per app (account and fingerprint). waiting: live registrations that need approval.
_CREATE = (
    """
    CREATE TABLE {integrations} (
        account_id uuid NOT NULL, fingerprint text NOT NULL, first_stream uuid, registrations bigint NOT NULL DEFAULT 0,
        live bigint NOT NULL DEFAULT 0, waiting bigint NOT NULL DEFAULT 0, created_at timestamptz, created_position bigint, last_used_at timestamptz,
        decision text NOT NULL DEFAULT 'undecided', approved boolean NOT NULL DEFAULT false, verified boolean NOT NULL DEFAULT false,
        decided_at timestamptz, decided_by uuid, decision_reason text, decision_position bigint,
        removed_at timestamptz, removed_by text, removed_actor uuid, removed_reason text, removed_position bigint,
        PRIMARY KEY (account_id, fingerprint)
    ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05)""",
    """
    CREATE TABLE {clients} (
        client_stream uuid PRIMARY KEY, account_id uuid NOT NULL, client_id text NOT NULL, name text NOT NULL, registration text NOT NULL,
        redirect_uris text[] NOT NULL, metadata jsonb NOT NULL, fingerprint text NOT NULL, needs_approval boolean NOT NULL,
        created_at timestamptz NOT NULL, created_position bigint NOT NULL, registered_by uuid, source text, reason text,
        last_used_at timestamptz,
        removed_at timestamptz, removed_by text, removed_actor uuid, removed_reason text, removed_position bigint
    ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05)""",
    "CREATE INDEX ON {clients} (account_id, fingerprint, created_position)",
    """
    CREATE TABLE {approval_requests} (
        account_id uuid NOT NULL, client_stream uuid NOT NULL, member_id uuid NOT NULL, requested text[] NOT NULL, reason text,
        asked_at timestamptz NOT NULL, position bigint NOT NULL, PRIMARY KEY (client_stream, member_id))""",
)

_INDEX = (
    "CREATE INDEX {how} ON {clients} (account_id, client_id)",
    "CREATE INDEX {how} ON {approval_requests} (account_id, position)",
)


_view = SteppedView(_CREATE, _INDEX, fold)
create, index, apply = _view.create, _view.index, _view.apply

_CLIENT_ROWS = """
FROM json_to_recordset(%s::json) AS r (
    client_stream uuid, account_id uuid, client_id text, name text, registration text, redirect_uris text[], metadata jsonb, fingerprint text,
    needs_approval boolean, created bigint, position bigint, registered_by uuid, source text, reason text)
"""

_ADD_CLIENTS = (
    """
INSERT INTO {clients} (client_stream, account_id, client_id, name, registration, redirect_uris, metadata, fingerprint, needs_approval,
    created_at, created_position, registered_by, source, reason)
SELECT client_stream, account_id, client_id, name, registration, redirect_uris, metadata, fingerprint, needs_approval,
    'epoch'::timestamptz + created * interval '1 microsecond', position, registered_by, source, reason"""
    + _CLIENT_ROWS
)

# The app's first registration is the one with the lowest position, whichever batch it came in.
_ADD_APPS = (
    """
INSERT INTO {integrations} AS a (account_id, fingerprint, first_stream, registrations, live, waiting, created_at, created_position)
SELECT account_id, fingerprint, (array_agg(client_stream ORDER BY position))[1], count(*), count(*), count(*) FILTER (WHERE needs_approval),
    'epoch'::timestamptz + (array_agg(created ORDER BY position))[1] * interval '1 microsecond', min(position)"""
    + _CLIENT_ROWS
    + """GROUP BY account_id, fingerprint
ON CONFLICT (account_id, fingerprint) DO UPDATE SET
    first_stream = coalesce(a.first_stream, excluded.first_stream), created_at = coalesce(a.created_at, excluded.created_at),
    created_position = coalesce(a.created_position, excluded.created_position), registrations = a.registrations + excluded.registrations,
    live = a.live + excluded.live, waiting = a.waiting + excluded.waiting
"""
)

_USED = """
WITH used AS (
    SELECT client_stream, 'epoch'::timestamptz + at * interval '1 microsecond' AS at FROM unnest(%s::uuid[], %s::bigint[]) AS u (client_stream, at)
), clients AS (
    UPDATE {clients} c SET last_used_at = greatest(c.last_used_at, u.at) FROM used u WHERE c.client_stream = u.client_stream
    RETURNING c.account_id, c.fingerprint, u.at
)
UPDATE {integrations} a SET last_used_at = greatest(a.last_used_at, u.at)
FROM (SELECT account_id, fingerprint, max(at) AS at FROM clients GROUP BY 1, 2) u
WHERE a.account_id = u.account_id AND a.fingerprint = u.fingerprint
"""

# The last time that each person asked.
_ASK = """
INSERT INTO {approval_requests} AS a (account_id, client_stream, member_id, requested, reason, asked_at, position)
SELECT account_id, client_stream, member_id, requested, reason, 'epoch'::timestamptz + asked * interval '1 microsecond', position
FROM json_to_recordset(%s::json) AS r (
    account_id uuid, client_stream uuid, member_id uuid, requested text[], reason text, asked bigint, position bigint)
ON CONFLICT (client_stream, member_id) DO UPDATE SET
    requested = excluded.requested, reason = excluded.reason, asked_at = excluded.asked_at, position = excluded.position
"""


@_view.takes(Rows)
def _rows(step: Rows, connection: Connection, names: Names) -> None:
    if step.registered:
        rows = json_text(list(step.registered.values()))
        run(connection, names, _ADD_CLIENTS, (rows,))
        run(connection, names, _ADD_APPS, (rows,))
    if step.used:
        run(connection, names, _USED, (array(step.used), array(step.used.values())))
    if step.asked:
        run(connection, names, _ASK, (json_text(list(step.asked.values())),))


# Leaving an app: its counts, and its first registration if that was this one.
_LEAVE = """
UPDATE {integrations} a SET registrations = a.registrations - 1,
    live = a.live - (c.removed_at IS NULL)::int, waiting = a.waiting - (c.removed_at IS NULL AND c.needs_approval)::int,
    first_stream = n.client_stream, created_at = n.created_at, created_position = n.created_position
FROM {clients} c LEFT JOIN LATERAL (
    SELECT o.client_stream, o.created_at, o.created_position FROM {clients} o
    WHERE o.account_id = c.account_id AND o.fingerprint = c.fingerprint AND o.client_stream <> c.client_stream
    ORDER BY o.created_position LIMIT 1) n ON true
WHERE c.client_stream = %(client_stream)s AND a.account_id = c.account_id AND a.fingerprint = c.fingerprint
"""

_CHANGE = """
UPDATE {clients} SET name = %(name)s, redirect_uris = ARRAY(SELECT json_array_elements_text(%(redirect_uris)s::json)),
    metadata = %(metadata)s::jsonb, fingerprint = %(fingerprint)s
WHERE client_stream = %(client_stream)s
"""

_REGISTER_AGAIN = """
UPDATE {clients} SET registration = %(registration)s, needs_approval = %(needs_approval)s, removed_at = NULL, removed_by = NULL,
    removed_actor = NULL, removed_reason = NULL, removed_position = NULL
WHERE client_stream = %(client_stream)s
"""

_JOIN = """
INSERT INTO {integrations} AS a (account_id, fingerprint, first_stream, registrations, live, waiting, created_at, created_position, last_used_at)
SELECT account_id, fingerprint, client_stream, 1, (removed_at IS NULL)::int, (removed_at IS NULL AND needs_approval)::int, created_at,
    created_position, last_used_at
FROM {clients} WHERE client_stream = %(client_stream)s
ON CONFLICT (account_id, fingerprint) DO UPDATE SET
    first_stream = CASE WHEN a.created_position < excluded.created_position THEN a.first_stream ELSE excluded.first_stream END,
    created_at = CASE WHEN a.created_position < excluded.created_position THEN a.created_at ELSE excluded.created_at END,
    created_position = least(a.created_position, excluded.created_position), registrations = a.registrations + 1,
    live = a.live + excluded.live, waiting = a.waiting + excluded.waiting, last_used_at = greatest(a.last_used_at, excluded.last_used_at)
"""


@_view.takes(Changed)
def _changed(step: Changed, connection: Connection, names: Names) -> None:
    row = {**step.row, "redirect_uris": json_text(step.row["redirect_uris"]), "metadata": json_text(step.row["metadata"])}
    run(connection, names, _LEAVE, {"client_stream": row["client_stream"]})
    run(connection, names, _CHANGE, row)
    if step.again:
        run(connection, names, _REGISTER_AGAIN, row)
    run(connection, names, _JOIN, {"client_stream": row["client_stream"]})


_REMOVE = """
UPDATE {clients} SET removed_at = 'epoch'::timestamptz + %(at)s * interval '1 microsecond', removed_by = %(by)s, removed_actor = %(actor)s,
    removed_reason = %(reason)s, removed_position = %(position)s
WHERE client_stream = %(client_stream)s AND removed_at IS NULL RETURNING fingerprint, needs_approval
"""

_REMOVE_FROM_APP = """
UPDATE {integrations} SET live = live - 1, waiting = waiting - %(waiting)s,
    removed_at = 'epoch'::timestamptz + %(at)s * interval '1 microsecond', removed_by = %(by)s, removed_actor = %(actor)s,
    removed_reason = %(reason)s, removed_position = %(position)s
WHERE account_id = %(account_id)s AND fingerprint = %(fingerprint)s
"""


@_view.takes(Removed)
def _removed(step: Removed, connection: Connection, names: Names) -> None:
    values = {
        "client_stream": step.client_stream, "at": step.at, "by": step.by, "actor": step.actor, "reason": step.reason, "position": step.position,
    }  # fmt: skip
    found = run(connection, names, _REMOVE, values).fetchone()
    if found is not None:
        app = {**values, "account_id": step.account_id, "fingerprint": found[0], "waiting": int(found[1])}
        run(connection, names, _REMOVE_FROM_APP, app)


_DECIDE = """
INSERT INTO {integrations} AS a (account_id, fingerprint, decision, approved, verified, decided_at, decided_by, decision_reason, decision_position)
VALUES (%(account_id)s, %(fingerprint)s, CASE %(status)s WHEN 'unblocked' THEN 'undecided' ELSE coalesce(%(status)s, 'undecided') END,
    coalesce(%(status)s = 'approved', false), coalesce(%(verified)s, false),
    'epoch'::timestamptz + %(at)s * interval '1 microsecond', %(by)s, %(reason)s, %(position)s)
ON CONFLICT (account_id, fingerprint) DO UPDATE SET
    decision = CASE WHEN %(status)s IS NULL THEN a.decision WHEN %(status)s <> 'unblocked' THEN %(status)s
        WHEN a.approved THEN 'approved' ELSE 'undecided' END,
    approved = a.approved OR excluded.approved, verified = coalesce(%(verified)s, a.verified), decided_at = excluded.decided_at,
    decided_by = excluded.decided_by, decision_reason = excluded.decision_reason, decision_position = excluded.decision_position
"""
_DECIDE = _DECIDE.replace("%(status)s", "%(status)s::text").replace("%(verified)s", "%(verified)s::boolean")


@_view.takes(Decided)
def _decided(step: Decided, connection: Connection, names: Names) -> None:
    values = {
        "account_id": step.account_id, "fingerprint": step.fingerprint, "status": step.status, "verified": step.verified, "at": step.at,
        "by": step.by, "reason": step.reason, "position": step.position,
    }  # fmt: skip
    run(connection, names, _DECIDE, values)


SCRUB = tuple(
    f"UPDATE {table} SET {reason} = NULL WHERE account_id = %s AND {by} = %s AND {reason} IS NOT NULL"
    for table, reason, by in (
        ("{integrations}", "decision_reason", "decided_by"), ("{integrations}", "removed_reason", "removed_actor"),
        ("{clients}", "removed_reason", "removed_actor"), ("{clients}", "reason", "registered_by"),
        ("{approval_requests}", "reason", "member_id"),
    )
)  # fmt: skip


@_view.takes(Scrubbed)
def _scrubbed(step: Scrubbed, connection: Connection, names: Names) -> None:
    for statement in SCRUB:
        run(connection, names, statement, (step.account_id, step.member_id))
