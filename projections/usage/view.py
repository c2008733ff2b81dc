"""All SQL that writes the usage: tables, and one statement for each kind of row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projections.connection import Connection
from projections.definition import Names
from projections.folding import SteppedView
from projections.literals import array, json_text, text_array
from projections.usage.projection import COUNTS, Granted, Rows, Use, consent_of, fold
from projections.view import run

TABLES = {"usage_days": ("client_stream", "day"), "usage_account_days": ("account_id", "day"), "usage_scopes": ("consent_id", "scope")}

_NUMBERS = ", ".join(f"{name} bigint NOT NULL DEFAULT 0" for name in COUNTS)

# usage_scopes: `granted` while the consent in force holds the scope, `granted_at` since when without a break.
_CREATE = (
    f"""
    CREATE TABLE {{usage_days}} (
        account_id uuid NOT NULL, client_stream uuid NOT NULL, day date NOT NULL, {_NUMBERS}, PRIMARY KEY (client_stream, day)
    ) WITH (fillfactor = 70)""",
    f"""
    CREATE TABLE {{usage_account_days}} (
        account_id uuid NOT NULL, day date NOT NULL, {_NUMBERS}, sign_ins bigint NOT NULL DEFAULT 0, failed_sign_ins bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (account_id, day)
    ) WITH (fillfactor = 70)""",
    """
    CREATE TABLE {usage_scopes} (
        consent_id uuid NOT NULL, scope text NOT NULL, account_id uuid NOT NULL, member_id uuid NOT NULL, client_stream uuid NOT NULL,
        granted boolean NOT NULL DEFAULT false, granted_at timestamptz, last_used_at timestamptz, PRIMARY KEY (consent_id, scope)
    ) WITH (fillfactor = 70)""",
)

_INDEX = (
    "CREATE INDEX {how} ON {usage_scopes} (account_id, scope) WHERE granted",
    "CREATE INDEX {how} ON {usage_scopes} (client_stream)",
)

_view = SteppedView(_CREATE, _INDEX, fold)
create, index, apply = _view.create, _view.index, _view.apply

_COLUMNS = ", ".join(COUNTS)
_ADD = ", ".join(f"{name} = u.{name} + excluded.{name}" for name in COUNTS)
_ARRAYS = ", ".join(["%s::bigint[]"] * len(COUNTS))

_COUNT = f"""
WITH counted (account_id, client_stream, day, {_COLUMNS}) AS (
    SELECT account_id, client_stream, 'epoch'::date + day, {_COLUMNS}
    FROM unnest(%s::uuid[], %s::uuid[], %s::int[], {_ARRAYS}) AS r (account_id, client_stream, day, {_COLUMNS})
), of_clients AS (
    INSERT INTO {{usage_days}} AS u (account_id, client_stream, day, {_COLUMNS}) SELECT * FROM counted
    ON CONFLICT (client_stream, day) DO UPDATE SET {_ADD}
)
INSERT INTO {{usage_account_days}} AS u (account_id, day, {_COLUMNS})
SELECT account_id, day, {", ".join(f"sum({name})" for name in COUNTS)} FROM counted GROUP BY 1, 2
ON CONFLICT (account_id, day) DO UPDATE SET {_ADD}
"""

_SIGN_INS = """
INSERT INTO {usage_account_days} AS u (account_id, day, sign_ins, failed_sign_ins)
SELECT account_id, 'epoch'::date + day, succeeded, failed
FROM unnest(%s::uuid[], %s::int[], %s::bigint[], %s::bigint[]) AS r (account_id, day, succeeded, failed)
ON CONFLICT (account_id, day) DO UPDATE SET
    sign_ins = u.sign_ins + excluded.sign_ins, failed_sign_ins = u.failed_sign_ins + excluded.failed_sign_ins
"""

_CONSENTS = """
FROM json_to_recordset(%s::json) AS r (
    consent_id uuid, account_id uuid, member_id uuid, client_stream uuid, scopes text[], at bigint, given boolean)
"""

_TAKE_BACK = (
    "UPDATE {usage_scopes} u SET granted = false" + _CONSENTS + "WHERE u.consent_id = r.consent_id AND u.granted AND u.scope <> ALL(r.scopes)"
)

_GRANT = (
    """
INSERT INTO {usage_scopes} AS u (consent_id, scope, account_id, member_id, client_stream, granted, granted_at)
SELECT consent_id, s.scope, account_id, member_id, client_stream, true, 'epoch'::timestamptz + at * interval '1 microsecond'"""
    + _CONSENTS
    + """CROSS JOIN LATERAL unnest(r.scopes) s (scope) WHERE r.given
ON CONFLICT (consent_id, scope) DO UPDATE SET
    granted_at = CASE WHEN u.granted THEN u.granted_at ELSE excluded.granted_at END, granted = true
"""
)

_USE = """
INSERT INTO {usage_scopes} AS u (consent_id, scope, account_id, member_id, client_stream, last_used_at)
SELECT consent_id, scope, account_id, member_id, client_stream, 'epoch'::timestamptz + at * interval '1 microsecond'
FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::uuid[], %s::bigint[])
    AS r (consent_id, scope, account_id, member_id, client_stream, at)
ON CONFLICT (consent_id, scope) DO UPDATE SET last_used_at = greatest(u.last_used_at, excluded.last_used_at)
"""

_RENEW = """
UPDATE {usage_scopes} u SET last_used_at = greatest(u.last_used_at, 'epoch'::timestamptz + r.at * interval '1 microsecond')
FROM unnest(%s::uuid[], %s::bigint[]) AS r (consent_id, at) WHERE u.consent_id = r.consent_id AND u.scope = 'offline_access'
"""


@_view.takes(Rows)
def _rows(step: Rows, connection: Connection, names: Names) -> None:
    if step.days:
        accounts, clients, days = zip(*step.days, strict=True)
        numbers = [array(column) for column in zip(*step.days.values(), strict=True)]
        run(connection, names, _COUNT, (array(accounts), array(clients), array(days), *numbers))
    if step.sign_ins:
        accounts, days = zip(*step.sign_ins, strict=True)
        found = step.sign_ins.values()
        run(connection, names, _SIGN_INS, (array(accounts), array(days), array([s.succeeded for s in found]), array([s.failed for s in found])))
    if step.granted:
        consents = json_text([_consent(granted) for granted in step.granted.values()])
        run(connection, names, _TAKE_BACK, (consents,))
        run(connection, names, _GRANT, (consents,))
    if step.used:
        run(connection, names, _USE, _uses(step.used))
    if step.renewed:
        run(connection, names, _RENEW, (array([consent_of(*consent) for consent in step.renewed]), array(step.renewed.values())))


def _consent(granted: Granted) -> dict[str, Any]:
    return {
        "consent_id": granted.consent_id, "account_id": granted.account_id, "member_id": granted.member_id,
        "client_stream": granted.client_stream, "scopes": granted.scopes, "at": granted.at, "given": granted.given,
    }  # fmt: skip


def _uses(uses: Mapping[Use, int]) -> tuple[str, ...]:
    accounts, members, clients, scopes = zip(*uses, strict=True)
    consents = array([consent_of(*consent) for *consent, _ in uses])
    return consents, text_array(scopes), array(accounts), array(members), array(clients), array(uses.values())
