"""Opens an account with its first admin, from the command line or by the one-time set-up link in a browser."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.manage_members import PASSWORD, new_login, new_member
from application.manage_resources import API_SCOPES, KIND, new_resource_id, secret_hash
from application.ports import Conflict, NewSigningKey, Recorded, Tables
from application.rotate_keys import USES, new_key, store_key
from application.services import Origin, Services
from domain import ids
from domain.account import PLANS, Account
from domain.base import Context
from domain.errors import AlreadyExists, InvalidInput, Refused
from domain.member import Member
from domain.roles import ACCOUNT_ADMIN
from domain.scopes import OFFLINE_ACCESS
from domain.signing_key import SigningKey

SETUP_LINK_LIFE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class OpenedAccount:
    """The new account, its first admin, and what was recorded."""

    account: Account
    admin: Member
    recorded: Recorded


def open_account(
    services: Services,
    *,
    slug: str,
    name: str,
    admin_email: str,
    admin_name: str,
    password: str | None,
    origin: Origin,
    plan: str = "enterprise",
    setup_token: str | None = None,
    several: bool = False,
    own_resources: bool = True,
) -> OpenedAccount:
    """Open an account in one transaction: account, signing keys, admin and login, and the use of the set-up link.

    `own_resources`: register this server's MCP endpoint and API as resources, for all scopes; an upstream comes later.

    A second account is `Refused` unless this store holds `several` (by host, so the name must fit there).
    Without a password the admin can't sign in by one yet.
    """
    slug = checked_slug(slug, in_host=several)
    if plan not in PLANS:
        raise InvalidInput(f"There is no plan {plan!r}. Plans: {', '.join(PLANS)}.", field="plan")
    stream_id = ids.account_stream(slug)
    account_id, admin_id = str(stream_id), services.new_id()
    _refuse_second(services.store.tables(), slug, several=several)
    login = new_login(services, account_id, admin_email, password)
    context = services.context(account_id, origin)
    account = Account.open(stream_id, slug, name, context, plan)
    credentials = _own_resources(services, account, context) if own_resources else []
    keys = [new_key(services, use, context) for use in USES]
    for stream, _ in keys:
        stream.activate(context)
    facts = {"name": " ".join(admin_name.split()) or login.email, "email": login.email}
    admin = new_member(admin_id, context, role=ACCOUNT_ADMIN, projects="*", by="setup", **facts)

    def with_tables(tables: Tables) -> None:
        if setup_token is not None and not tables.use_setup_link(_hashed(setup_token), context.now):
            raise Refused("This set-up link was used before or has expired. Start the server again for a new one.")
        # The counter's row is held until we commit: of two set-ups at once the later sees the account of the earlier.
        tables.count("open-account", context.now.replace(minute=0, second=0, microsecond=0))
        _refuse_second(tables, slug, several=several)
        tables.add_account(account_id, slug, account.name)
        _write_keys(tables, account_id, keys, context.now)
        for resource_id, identifier, hashed in credentials:
            tables.add_credential(resource_id, account_id, KIND, identifier, hashed)
        tables.add_login(account_id, PASSWORD, "", login.key, str(admin_id), login.secret)

    try:
        recorded = services.store.append([account, *(stream for stream, _ in keys), admin], also=with_tables)
    except Conflict:
        raise AlreadyExists(f"There is an account {slug!r} already.", field="account") from None
    return OpenedAccount(account, admin, recorded)


def make_setup_link(services: Services) -> str:
    """A new one-time token for `/setup`, good for a day; only its hash is stored."""
    token, now = services.new_secret(), services.clock()
    services.store.tables().add_setup_link(_hashed(token), now, now + SETUP_LINK_LIFE)
    return token


def setup_link_valid(services: Services, token: str) -> bool:
    """Whether the token can still open the first account."""
    return services.store.tables().setup_link_valid(_hashed(token), services.clock())


def checked_slug(slug: str, *, in_host: bool = False) -> str:
    """The slug, lower case; `InvalidInput` says what it may hold. `in_host`: it will be a part of a host name."""
    slug = slug.strip().lower()
    if not ids.is_slug(slug):
        raise InvalidInput("An account's short name has 1 to 63 lower-case letters, digits and hyphens, such as `acme`.", field="account")
    if in_host and slug[2:4] == "--":  # RFC 5891 4.2.3.1: such labels stand for other spellings
        raise InvalidInput("A short name that is part of a host name can't have two hyphens in the third and fourth place.", field="account")
    return slug


def _own_resources(services: Services, account: Account, context: Context) -> list[tuple[str, str, bytes]]:
    """Register them; their credentials (resource id, identifier, hash of a secret that a rotation replaces by a known one)."""
    scopes = tuple(s for s in account.scopes if s != OFFLINE_ACCESS)
    wanted = ((services.mcp_url, tuple(s for s in scopes if s != "account:manage")), (services.api_url, API_SCOPES))
    credentials = []
    for identifier, of_resource in wanted:
        resource_id = new_resource_id(services)
        account.register_resource(resource_id, identifier, of_resource, context)
        credentials.append((resource_id, identifier, secret_hash(services.new_secret())))
    return credentials


def _write_keys(tables: Tables, account_id: str, keys: list[tuple[SigningKey, NewSigningKey]], now: datetime) -> None:
    """The first keys are in use at once: no worker knows others."""
    for stream, made in keys:
        store_key(tables, account_id, stream, made, now, now)
        tables.set_signing_key_status(stream.kid, "active", now)


def _refuse_second(tables: Tables, slug: str, *, several: bool) -> None:
    existing = tables.accounts()
    if any(found == slug for _, found, _ in existing):
        raise AlreadyExists(f"There is an account {slug!r} already.", field="account")
    if existing and not several:
        raise Refused(f"This store has its account already ({existing[0][1]}); several need a GRANTBOOK_BASE_URL with {{account}} in its host.")


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
