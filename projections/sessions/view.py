"""All SQL that writes the sessions: tables, and one statement for each kind of step."""

from __future__ import annotations

from typing import Any

from projections.connection import Connection
from projections.definition import Names
from projections.folding import SteppedView
from projections.literals import array, json_text, text_array
from projections.sessions.projection import fold
from projections.sessions.steps import AccountTerms, Ended, Ending, Moved, Narrowing, Relabelled, Rows, Scrubbed
from projections.view import run

TABLES = {
    "sessions": ("grant_id",),
    "session_clients": ("client_stream",),
    "session_endings": ("account_id", "kind", "key"),
    "session_terms": ("account_id",),
}

# fillfactor: a refresh changes no indexed column, so its row version stays on the page and out of the indexes.
_CREATE = (
    """
    CREATE TABLE {sessions} (
        grant_id uuid PRIMARY KEY, account_id uuid NOT NULL, member_id uuid NOT NULL, client_stream uuid NOT NULL, client_id text NOT NULL,
        consent_id uuid NOT NULL, scopes text[] NOT NULL, projects text[], resource text NOT NULL, redirect_uri text NOT NULL,
        keep_alive boolean NOT NULL, refreshable boolean NOT NULL,
        idle_window bigint NOT NULL, absolute_lifetime bigint NOT NULL, code_ttl bigint NOT NULL,
        pinned_consent bigint NOT NULL, pinned_client bigint NOT NULL, pinned_member bigint NOT NULL, pinned_account bigint NOT NULL,
        created_at timestamptz NOT NULL, created_position bigint NOT NULL,
        exchanged_at timestamptz, issued_at timestamptz, generation bigint NOT NULL DEFAULT 0, access_expires_at timestamptz, scope text,
        refreshes bigint NOT NULL DEFAULT 0, races bigint NOT NULL DEFAULT 0, streak bigint NOT NULL DEFAULT 0, used_at timestamptz,
        user_agent text, expired_at timestamptz, expired_which text,
        ended_at timestamptz, ended_reason text, ended_by text, ended_actor uuid, ended_note text, ended_note_of uuid,
        ended_position bigint
    ) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05)""",
    "CREATE INDEX ON {sessions} (client_stream) WHERE ended_at IS NULL",
    "CREATE INDEX ON {sessions} (consent_id)",
    "CREATE INDEX ON {sessions} (account_id, member_id, created_position)",
    """
    CREATE TABLE {session_clients} (
        client_stream uuid PRIMARY KEY, account_id uuid NOT NULL, fingerprint text NOT NULL)""",
    "CREATE INDEX ON {session_clients} (account_id, fingerprint)",
    """
    CREATE TABLE {session_endings} (
        account_id uuid NOT NULL, kind text NOT NULL, key text NOT NULL, version bigint NOT NULL, at bigint NOT NULL, reason text NOT NULL,
        by text NOT NULL, actor uuid, note text, note_of uuid, position bigint NOT NULL, PRIMARY KEY (account_id, kind, key))""",
    """
    CREATE TABLE {session_terms} (
        account_id uuid PRIMARY KEY, has_apps boolean NOT NULL DEFAULT true,
        idle_window bigint NOT NULL DEFAULT 0, absolute_lifetime bigint NOT NULL DEFAULT 0, code_ttl bigint NOT NULL DEFAULT 0)""",
)

_INDEX = (
    "CREATE INDEX {how} ON {sessions} (account_id, created_position)",
    "CREATE INDEX {how} ON {sessions} (account_id, created_position) WHERE ended_at IS NULL",
    "CREATE INDEX {how} ON {sessions} (account_id, client_stream, created_position)",
)


_view = SteppedView(_CREATE, _INDEX, fold)
create, index, apply = _view.create, _view.index, _view.apply

_ADD_CLIENTS = """
INSERT INTO {session_clients} (client_stream, account_id, fingerprint)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[])
"""

_ADD_SESSIONS = """
INSERT INTO {sessions} (
    grant_id, account_id, member_id, client_stream, client_id, consent_id, scopes, projects, resource, redirect_uri, keep_alive, refreshable,
    idle_window, absolute_lifetime, code_ttl, pinned_consent, pinned_client, pinned_member, pinned_account, created_at, created_position)
SELECT grant_id, account_id, member_id, client_stream, client_id, consent_id, scopes, projects, resource, redirect_uri, keep_alive, refreshable,
    idle_window, absolute_lifetime, code_ttl, pinned_consent, pinned_client, pinned_member, pinned_account,
    'epoch'::timestamptz + created * interval '1 microsecond', created_position
FROM json_to_recordset(%s::json) AS r (
    grant_id uuid, account_id uuid, member_id uuid, client_stream uuid, client_id text, consent_id uuid, scopes text[], projects text[],
    resource text, redirect_uri text, keep_alive boolean, refreshable boolean, idle_window bigint, absolute_lifetime bigint, code_ttl bigint,
    pinned_consent bigint, pinned_client bigint, pinned_member bigint, pinned_account bigint, created bigint, created_position bigint)
"""

# A code that was issued while an ending it could not see committed first: judged as the domain does, by the versions it pinned.
_CROSSED = """
UPDATE {sessions} s SET
    ended_at = 'epoch'::timestamptz + e.at * interval '1 microsecond', ended_reason = e.reason, ended_by = e.by, ended_actor = e.actor,
    ended_note = e.note, ended_note_of = e.note_of, ended_position = e.position
FROM (
    SELECT DISTINCT ON (n.grant_id) n.grant_id, e.*
    FROM {sessions} n LEFT JOIN {session_clients} c USING (client_stream)
    CROSS JOIN LATERAL (VALUES
        ('consent', n.consent_id::text, n.pinned_consent), ('client', n.client_stream::text, n.pinned_client),
        ('member', n.member_id::text, n.pinned_member), ('app', c.fingerprint, n.pinned_account),
        ('resource', n.resource, n.pinned_account)) k (kind, key, pinned)
    JOIN {session_endings} e ON e.account_id = n.account_id AND e.kind = k.kind AND e.key = k.key AND e.version > k.pinned
    WHERE n.{which} = ANY(%s::uuid[]) AND n.ended_at IS NULL
    ORDER BY n.grant_id, e.position) e
WHERE s.grant_id = e.grant_id
"""
_CROSSED_GRANTS = _CROSSED.replace("{which}", "grant_id")
_CROSSED_CLIENTS = _CROSSED.replace("{which}", "client_stream")

_MOVE = """
UPDATE {sessions} s SET
    exchanged_at = coalesce('epoch'::timestamptz + m.exchanged * interval '1 microsecond', s.exchanged_at),
    issued_at = coalesce('epoch'::timestamptz + m.issued * interval '1 microsecond', s.issued_at),
    access_expires_at = coalesce('epoch'::timestamptz + m.issued * interval '1 microsecond' + m.ttl * interval '1 second', s.access_expires_at),
    generation = coalesce(m.generation, s.generation), scope = coalesce(m.scope, s.scope), refreshes = s.refreshes + m.refreshes,
    races = s.races + m.races, streak = coalesce(m.streak, s.streak),
    used_at = greatest('epoch'::timestamptz + m.used * interval '1 microsecond', s.used_at),
    user_agent = coalesce(m.user_agent, s.user_agent),
    expired_at = CASE WHEN m.revived THEN NULL ELSE coalesce('epoch'::timestamptz + m.expired * interval '1 microsecond', s.expired_at) END,
    expired_which = CASE WHEN m.revived THEN NULL ELSE coalesce(m.which, s.expired_which) END
FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],
    %s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::boolean[])
    AS m (grant_id, exchanged, issued, generation, ttl, scope, refreshes, races, streak, used, user_agent, expired, which, revived)
WHERE s.grant_id = m.grant_id
"""

# The same for a session that was refreshed and no more, as most were.
_RENEW = """
UPDATE {sessions} s SET
    issued_at = 'epoch'::timestamptz + m.issued * interval '1 microsecond',
    access_expires_at = 'epoch'::timestamptz + m.issued * interval '1 microsecond' + m.ttl * interval '1 second',
    generation = m.generation, scope = m.scope, refreshes = s.refreshes + m.refreshes,
    used_at = greatest('epoch'::timestamptz + m.issued * interval '1 microsecond', s.used_at), expired_at = NULL, expired_which = NULL
FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[])
    AS m (grant_id, issued, generation, ttl, scope, refreshes)
WHERE s.grant_id = m.grant_id
"""

_END = """
UPDATE {sessions} s SET
    ended_at = 'epoch'::timestamptz + e.at * interval '1 microsecond', ended_reason = e.reason, ended_by = e.by, ended_actor = e.actor,
    ended_note = e.note, ended_note_of = e.note_of, ended_position = e.position
FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::uuid[], %s::text[], %s::uuid[], %s::bigint[])
    AS e (grant_id, at, reason, by, actor, note, note_of, position)
WHERE s.grant_id = e.grant_id AND s.ended_at IS NULL
"""

# offline_access is no scope of the consent: it follows Keep session alive.
_NARROW = """
UPDATE {sessions} s SET
    scopes = ARRAY(SELECT x FROM unnest(s.scopes) WITH ORDINALITY u (x, i) WHERE x = 'offline_access' OR x = ANY(n.approved) ORDER BY i),
    projects = CASE WHEN n.projects IS NULL THEN s.projects WHEN s.projects IS NULL THEN n.projects
        ELSE ARRAY(SELECT x FROM unnest(s.projects) WITH ORDINALITY u (x, i) WHERE x = ANY(n.projects) ORDER BY i) END
FROM json_to_recordset(%s::json) AS n (consent_id uuid, version bigint, approved text[], projects text[], position bigint)
WHERE s.consent_id = n.consent_id AND s.pinned_consent < n.version AND (s.ended_position IS NULL OR s.ended_position > n.position)
    AND (NOT s.scopes <@ ('offline_access'::text || n.approved) OR n.projects IS NOT NULL AND (s.projects IS NULL OR NOT s.projects <@ n.projects))
"""


@_view.takes(Rows)
def _rows(step: Rows, connection: Connection, names: Names) -> None:
    if step.clients:
        accounts, fingerprints = zip(*step.clients.values(), strict=True)
        run(connection, names, _ADD_CLIENTS, (array(step.clients), array(accounts), text_array(fingerprints)))
    if step.new:
        run(connection, names, _ADD_SESSIONS, (json_text(list(step.new.values())),))
        run(connection, names, _CROSSED_GRANTS, (array(step.new),))
    renewed = {grant: moved for grant, moved in step.moved.items() if moved.renewed}
    if renewed:
        run(connection, names, _RENEW, _renewal_arrays(renewed))
    if len(renewed) < len(step.moved):
        run(connection, names, _MOVE, _move_arrays({grant: moved for grant, moved in step.moved.items() if grant not in renewed}))
    if step.ended:
        run(connection, names, _END, _end_arrays(list(step.ended.values())))
    if step.narrowed:
        run(connection, names, _NARROW, (json_text([_narrowing(n) for n in step.narrowed.values()]),))


def _move_arrays(moved: dict[str, Moved]) -> tuple[str, ...]:
    rows = list(moved.values())
    return (
        array(moved), array([m.exchanged_at for m in rows]), array([m.issued_at for m in rows]), array([m.generation for m in rows]),
        array([m.access_ttl for m in rows]), text_array([m.scope for m in rows]), array([m.refreshes for m in rows]), array([m.races for m in rows]),
        array([m.streak for m in rows]), array([m.used_at for m in rows]), text_array([m.user_agent for m in rows]),
        array([m.expired_at for m in rows]), array([m.expired_which for m in rows]), array([m.revived for m in rows]),
    )  # fmt: skip


def _renewal_arrays(renewed: dict[str, Moved]) -> tuple[str, ...]:
    rows = list(renewed.values())
    return (
        array(renewed), array([m.issued_at for m in rows]), array([m.generation for m in rows]), array([m.access_ttl for m in rows]),
        text_array([m.scope for m in rows]), array([m.refreshes for m in rows]),
    )  # fmt: skip


def _end_arrays(ended: list[Ended]) -> tuple[str, ...]:
    return (
        array([e.grant_id for e in ended]), array([e.at for e in ended]), array([e.reason for e in ended]), array([e.by for e in ended]),
        array([e.actor for e in ended]), text_array([e.note for e in ended]), array([e.note_of for e in ended]),
        array([e.position for e in ended]),
    )  # fmt: skip


def _narrowing(narrowing: Narrowing) -> dict[str, Any]:
    return {
        "consent_id": narrowing.consent_id, "version": narrowing.version, "approved": narrowing.approved,
        "projects": narrowing.projects, "position": narrowing.position,
    }  # fmt: skip


_KEEP_ENDING = """
INSERT INTO {session_endings} (account_id, kind, key, version, at, reason, by, actor, note, note_of, position)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (account_id, kind, key) DO UPDATE SET version = excluded.version, at = excluded.at, reason = excluded.reason, by = excluded.by,
    actor = excluded.actor, note = excluded.note, note_of = excluded.note_of, position = excluded.position
"""

_END_ALL = """
UPDATE {sessions} s SET
    ended_at = 'epoch'::timestamptz + %(at)s * interval '1 microsecond', ended_reason = %(reason)s,
    ended_by = CASE WHEN %(by)s = 'member' AND %(actor)s::uuid IS DISTINCT FROM s.member_id THEN 'admin' ELSE %(by)s END,
    ended_actor = %(actor)s, ended_note = %(note)s, ended_note_of = %(note_of)s, ended_position = %(position)s
WHERE s.ended_at IS NULL AND s.account_id = %(account)s AND {condition}
"""

_CONDITIONS = {
    "consent": "s.consent_id = %(key)s::uuid AND s.pinned_consent < %(version)s",
    "client": "s.client_stream = %(key)s::uuid AND s.pinned_client < %(version)s",
    "member": "s.member_id = %(key)s::uuid AND s.pinned_member < %(version)s",
    "app": """s.pinned_account < %(version)s AND s.client_stream = ANY(
        SELECT client_stream FROM {session_clients} WHERE account_id = %(account)s AND fingerprint = %(key)s)""",
    "resource": "s.resource = %(key)s AND s.pinned_account < %(version)s",
}
_END_ALL_OF = {kind: _END_ALL.replace("{condition}", condition) for kind, condition in _CONDITIONS.items()}


@_view.takes(Ending)
def _ending(step: Ending, connection: Connection, names: Names) -> None:
    facts = (step.account_id, step.kind, step.key, step.version, step.at, step.reason, step.by, step.actor, step.note, step.note_of, step.position)
    run(connection, names, _KEEP_ENDING, facts)
    values = {
        "account": step.account_id, "key": step.key, "version": step.version, "at": step.at, "reason": step.reason, "by": step.by,
        "actor": step.actor, "note": step.note, "note_of": step.note_of, "position": step.position,
    }  # fmt: skip
    run(connection, names, _END_ALL_OF[step.kind], values)


_RELABEL = """
INSERT INTO {session_clients} (client_stream, account_id, fingerprint) VALUES (%s, %s, %s)
ON CONFLICT (client_stream) DO UPDATE SET fingerprint = excluded.fingerprint
"""


@_view.takes(Relabelled)
def _relabelled(step: Relabelled, connection: Connection, names: Names) -> None:
    run(connection, names, _RELABEL, (step.client_stream, step.account_id, step.fingerprint))
    run(connection, names, _CROSSED_CLIENTS, (array([step.client_stream]),))


@_view.takes(AccountTerms)
def _account_terms(step: AccountTerms, connection: Connection, names: Names) -> None:
    columns = ", ".join(step.values)
    marks = ", ".join(["%s"] * len(step.values))
    sets = ", ".join(f"{c} = excluded.{c}" for c in step.values)
    run(
        connection,
        names,
        f"INSERT INTO {{session_terms}} (account_id, {columns}) VALUES (%s, {marks}) ON CONFLICT (account_id) DO UPDATE SET {sets}",
        (step.account_id, *step.values.values()),
    )


SCRUB = (
    "UPDATE {sessions} SET user_agent = NULL WHERE account_id = %s AND member_id = %s AND user_agent IS NOT NULL",
    "UPDATE {sessions} SET ended_note = NULL, ended_note_of = NULL WHERE account_id = %s AND ended_note_of = %s",
    "UPDATE {session_endings} SET note = NULL, note_of = NULL WHERE account_id = %s AND note_of = %s",
)


@_view.takes(Scrubbed)
def _scrubbed(step: Scrubbed, connection: Connection, names: Names) -> None:
    for statement in SCRUB:
        run(connection, names, statement, (step.account_id, step.member_id))
