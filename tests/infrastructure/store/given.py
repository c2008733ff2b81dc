"""A store with one account, member, client, consent and grant in it, for the tests of this folder."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from domain.access import Standing, access
from domain.account import Account
from domain.base import Context, Personal
from domain.client import Client
from domain.consent import Consent
from domain.grant import Grant
from domain.ids import account_stream, client_id_for, consent_stream
from domain.member import Member
from domain.roles import permissions_of
from infrastructure.store.keyring import Keyring
from infrastructure.store.store import PostgresStore
from tests.support.postgres import Database

WRAPPING_KEYS = (b"w" * 32,)
RESOURCE = "https://localhost/mcp"
SCOPES = ("projects:query", "offline_access")
LIFETIMES = {"access_token_ttl": 600, "idle_window": 604_800, "absolute_lifetime": 7_776_000, "code_ttl": 60}
KEY_ID = "00000000"


def clock() -> datetime:
    return datetime.now(UTC)


@contextmanager
def store_on(database: Database, **options: Any) -> Iterator[PostgresStore]:
    """A store of its own: nothing cached, no connection yet."""
    with_suffix = f"{database.web_dsn} fallback_application_name={secrets.token_hex(4)}"  # its own connections, even in one process
    store = PostgresStore(with_suffix, Keyring(with_suffix, WRAPPING_KEYS), clock=clock, **options)
    try:
        yield store
    finally:
        store.close()


@dataclass(frozen=True, slots=True)
class World:
    """The ids of what stands in the store."""

    account: UUID
    member: UUID
    client: UUID
    grant: UUID

    def context(self, **changes: Any) -> Context:
        facts: dict[str, Any] = {
            "account_id": str(self.account),
            "now": clock(),
            "source": "oauth",
            "new_salt": lambda: secrets.token_hex(16),
            "actor_id": str(self.member),
            "client_stream": str(self.client),
            "address": Personal(str(self.member), "192.0.2.7"),
            "user_agent": Personal(str(self.member), "client/1.0"),
        }
        return Context(**{**facts, **changes})

    @property
    def consent(self) -> UUID:
        return consent_stream(str(self.account), str(self.member), str(self.client))


def world(store: PostgresStore) -> World:
    """Record an account with one project and resource, an admin, a client, a consent and a grant with tokens."""
    slug = f"acme-{secrets.token_hex(4)}"
    made = World(account_stream(slug), uuid4(), uuid4(), uuid4())
    system = made.context(actor_id=None, client_stream=None, address=Personal(f"account:{made.account}", "192.0.2.1"), user_agent=None)
    account = Account.open(made.account, slug, "Acme", system)
    account.add_project("prj_000000000001", "Sales", system)
    account.register_resource("res_1", RESOURCE, tuple(account.scopes), system)
    role = "Account Admin"
    member = Member.add(
        made.member, system, role=role, permissions=permissions_of(role), projects="*",
        name=Personal(str(made.member), "Ada Admin"), email=Personal(str(made.member), "ada@example.com"), by="setup",
    )  # fmt: skip
    store.append([account, member])
    client = Client.blank(made.client, system)
    metadata = {"client_name": "Probe", "redirect_uris": ["http://127.0.0.1/cb"]}
    client.register(system, client_id=client_id_for(made.client), registration="dynamic", metadata=metadata, needs_approval=False)
    store.append([client])
    grant(store, made)
    return made


def grant(store: PostgresStore, made: World) -> Grant:
    """Record the consent and grant of a world, and exchange its code."""
    context = made.context()
    consent = store.load(Consent, made.consent) or Consent.blank(made.consent, context)
    account, member, client = store.load(Account, made.account), store.load(Member, made.member), store.load(Client, made.client)
    assert account is not None
    assert member is not None
    assert client is not None
    consent.give(
        context, member_id=str(made.member), for_client=str(made.client), requested=SCOPES, resource=RESOURCE, text="0" * 64,
        approved=SCOPES, denied=(), projects="*", keep_alive=True, lifetimes=LIFETIMES, held=(), grant_id=str(made.grant),
    )  # fmt: skip
    pinned = {"consent": consent.version, "client": client.version, "member": member.version, "account": account.version}
    new = Grant.begin(
        Grant.CodeIssued, made.grant, context, client_id=client.client_id, for_client=str(made.client), member_id=str(made.member),
        consent_id=str(made.consent), pinned=pinned, scopes=SCOPES, projects="*", resource=RESOURCE, redirect_uri="http://127.0.0.1/cb",
        redirect_uri_sent=True, code_challenge="x" * 43, keep_alive=True, refreshable=True, lifetimes=LIFETIMES, key_id=KEY_ID,
    )  # fmt: skip
    store.append([consent, new], [member, client, account])
    rotate(new, standing(store, made), made)
    store.append([new])
    return new


def standing(store: PostgresStore, made: World) -> Standing:
    found = store.standing(made.grant)
    assert found is not None
    return found


def rotate(grant_: Grant, on: Standing, made: World) -> None:
    """Issue the next generation on `grant_`, judged on `on`."""
    grant_.issue_tokens(
        made.context(), key_id=KEY_ID, access_token_id=secrets.token_hex(8), access_token_ttl=600, scope=access(on).scope, judged=on.judged
    )
