"""What each of two accounts has, and what it is called in paths, queries, forms and JSON."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import psycopg

from application import holds, manage_resources, sso_settings
from projections.status import lag
from tests.support.accounts import AccountWorld, TwoAccounts
from tests.support.oauth_world import CLI

NAMES = {"acme": ("Daybook", "otto"), "umbra": ("Nightjar", "vesper")}
"""An app that only this account has, and its operator."""


def connected(account: AccountWorld, name: str) -> tuple[str, dict[str, Any]]:
    """An app with a session of the operator: its client id, and the tokens."""
    client_id = account.client_id(client_name=name)
    return client_id, account.tokens(client_id, account.member_ids["Job Operator"])


def furnished(account: AccountWorld) -> tuple[str, dict[str, Any], str]:
    """Resources, domains, a browser session, apps: one of its own, one that the other account has too, one that waits for an answer."""
    services, account_id, slug = account.services, account.account_id, account.slug
    for word in ("sent", "unsent"):
        sso_settings.add_domain(services, account_id, f"{slug}-{word}.example", origin=CLI, actor_id=account.admin_id)
        identifier = f"https://vault.{slug}-{word}.example/api"
        made = manage_resources.add(services, account_id, identifier=identifier, scopes=["account:read"], origin=CLI)
        account.credentials[word] = (made.resource_id, made.secret)
    connected(account, "Shared Tool")
    client_id, tokens = connected(account, NAMES[slug][0])
    waiting = account.pending(account.client_id(client_name=f"{NAMES[slug][0]} Waiting"))
    account.session(account.admin_id)
    holds.place(services, account_id, member_id=UUID(account.member_ids["Job Operator"]), matter=f"{NAMES[slug][0]} case", origin=CLI)
    return client_id, tokens, waiting.request_id


def called(two: TwoAccounts, account: AccountWorld, client_id: str, tokens: dict[str, Any], request_id: str) -> dict[str, str]:
    """Names under which routes, queries and bodies speak of things, and this account's for each."""
    member, client_stream = account.member_ids["Job Operator"], str(UUID(client_id.removeprefix("app_")))
    with psycopg.connect(two.database.web_dsn) as conn:

        def one(sql: str, *more: str) -> str:
            row = conn.execute(sql.encode(), [account.account_id, *more]).fetchone()
            assert row is not None
            return str(row[0])

        position = one("SELECT max(position) FROM positions WHERE account_id = %s")
        consent = one("SELECT consent_id FROM views.consents WHERE account_id = %s AND client_stream = %s", client_stream)
        sign_in = one("SELECT sign_in_id FROM browser_sessions WHERE account_id = %s")
        kid = one("SELECT kid FROM signing_keys WHERE account_id = %s")
    (hold,) = holds.standing(account.services, account.account_id)
    project, grant_id = next(iter(account.projects.values())), str(account.grant_id(tokens))
    return {
        "page_id": client_id, "client_ref": client_stream, "client_id": client_id, "client": client_id, "integration": client_id, "app": client_id,
        "grant_id": grant_id, "grant": grant_id, "hold_id": hold.hold_id,
        "consent_id": consent, "member_id": member, "member": member, "user_id": member, "user": member,
        "actor": member, "sign_in_id": sign_in, "project": project, "project_id": project, "projects": project, "project_ids": project,
        "resource_id": account.credentials["sent"][0], "resource": f"https://vault.{account.slug}-sent.example/api", "position": position,
        "entry_id": position, "min_position": position, "event": position, "kid": kid, "key_id": kid, "request": request_id,
        "email": f"{NAMES[account.slug][1]}@{account.slug}.example", "domain": f"{account.slug}-sent.example",
        "permission": "metrics.query", "code": "none", "token": tokens["access_token"], "refresh_token": tokens["refresh_token"],
        "account": account.slug, "account_id": account.account_id, "external_id": member,
    }  # fmt: skip


def settled(two: TwoAccounts) -> None:
    """Wait until the views hold everything that was recorded."""
    with two.app.views() as conn:
        for _ in range(2000):
            waiting = conn.execute("SELECT (SELECT count(*) FROM events) - (SELECT count(*) FROM positions)").fetchone()
            standing = lag(conn)
            if waiting == (0,) and standing.position >= standing.head:
                return
            threading.Event().wait(0.01)
    raise AssertionError("the views did not catch up")


def streams_of(two: TwoAccounts, account: AccountWorld) -> set[str]:
    """The ids of everything that was ever recorded of the account, as it stands in paths and as in client and key ids."""
    with psycopg.connect(two.database.web_dsn) as conn:
        rows = conn.execute("SELECT DISTINCT originator_id FROM events WHERE account_id = %s", [account.account_id]).fetchall()
    return {form for (stream,) in rows for form in (str(stream), stream.hex)} - {account.account_id}
