"""What admins decide about an app: approve, block, unblock, verify by fingerprint, so for every registration of it; remove acts on one client."""

from __future__ import annotations

from collections.abc import Callable

from application.lookups import account_of, client_of
from application.ports import Recorded, Tables
from application.register_client import EVER, registrations_bucket
from application.retrying import until_settled
from application.services import Origin, Services
from domain.account import Account
from domain.base import Context
from domain.client import Client


def approve(
    services: Services, account_id: str, client_ref: str, *, actor_id: str | None, origin: Origin, reason: str | None = None
) -> Recorded | None:
    """Let a pending app in; None if it is approved already."""
    return _decide(services, account_id, client_ref, actor_id, origin, lambda a, c, x: a.approve_app(c.fingerprint, c.name, x, reason))


def block(
    services: Services, account_id: str, client_ref: str, *, actor_id: str | None, origin: Origin, reason: str | None = None
) -> Recorded | None:
    """Refuse an app, in all its registrations, and end its grants for good."""
    return _decide(services, account_id, client_ref, actor_id, origin, lambda a, c, x: a.block_app(c.fingerprint, c.name, x, reason), ending=True)


def unblock(
    services: Services, account_id: str, client_ref: str, *, actor_id: str | None, origin: Origin, reason: str | None = None
) -> Recorded | None:
    """Let a blocked app register and ask again; its old grants stay ended."""
    return _decide(services, account_id, client_ref, actor_id, origin, lambda a, c, x: a.unblock_app(c.fingerprint, c.name, x, reason))


def verify(
    services: Services,
    account_id: str,
    client_ref: str,
    *,
    actor_id: str | None,
    origin: Origin,
    verified: bool = True,
    reason: str | None = None,
) -> Recorded | None:
    """Say that the app is who it says it is, or take that back."""
    return _decide(
        services, account_id, client_ref, actor_id, origin, lambda a, c, x: a.verify_app(c.fingerprint, c.name, x, verified=verified, reason=reason)
    )


def remove(services: Services, account_id: str, client_ref: str, *, actor_id: str | None, origin: Origin, reason: str | None = None) -> Recorded:
    """Remove one registration and end its grants; the client has to register again."""

    def attempt() -> Recorded:
        client = client_of(services, account_id, client_ref)
        client.remove("admin", services.context(account_id, origin, actor_id=actor_id, client_stream=str(client.id)), reason)
        return services.store.append_ending([client], also=lambda t: forget_registration(t, client))

    return until_settled(attempt)


def forget_registration(tables: Tables, client: Client) -> None:
    """Beside a client's removal: its registration access token goes, and it no longer counts against the policy's total."""
    tables.remove_credentials(client.account_id, "registration", client.client_id)
    if client.registration == "dynamic":
        tables.count(registrations_bucket(client.account_id), EVER, -1)


def _decide(
    services: Services,
    account_id: str,
    client_ref: str,
    actor_id: str | None,
    origin: Origin,
    record: Callable[[Account, Client, Context], None],
    *,
    ending: bool = False,
) -> Recorded | None:
    append = services.store.append_ending if ending else services.store.append

    def attempt() -> Recorded | None:
        client, account = client_of(services, account_id, client_ref), account_of(services, account_id)
        record(account, client, services.context(account_id, origin, actor_id=actor_id, client_stream=str(client.id)))
        # Judged on the client: other metadata would be another app.
        return append([account], [client]) if account.pending_events else None

    return until_settled(attempt)
