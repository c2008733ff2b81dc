"""Registering a client: dynamically (RFC 7591), as far as the account's policy allows, or by an admin's hand."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from application import addresses, client_metadata, redirect_uris
from application.allowances import Allowance
from application.client_metadata import Document, RegistrationError
from application.counting import count
from application.lookups import account_of
from application.ports import Conflict
from application.retrying import until_settled
from application.services import Origin, Services
from domain.account import Account
from domain.base import Context, Personal
from domain.client import Client, app_fingerprint
from domain.errors import InvalidInput, Refused
from domain.ids import as_text, client_id_for, uuid_of

EVER = datetime(2000, 1, 1, tzinfo=UTC)
"""The window of the count of all registrations, which reaping lowers."""
_HOUR = timedelta(hours=1)


def register_dynamic(services: Services, account_id: str, metadata: Mapping[str, Any], origin: Origin) -> Client:
    """Register a client by its own metadata; `RegistrationError` if the metadata or the policy forbid it."""
    try:
        client = _register_dynamic(services, account_id, metadata, origin)
    except RegistrationError as error:
        count("registrations", "refused", error.code)
        raise
    count("registrations", "registered", "")
    return client


def _register_dynamic(services: Services, account_id: str, metadata: Mapping[str, Any], origin: Origin) -> Client:
    """First on the account as it is remembered, which the append then judges; a refusal is only ever given on the newest."""
    stream_id, counted = services.new_id(), False

    def attempt(account: Account) -> Client:
        nonlocal counted
        facts = _admitted_again(account, metadata)
        contacts = client_metadata.contacts_of(metadata)
        if not counted:
            _count(services, account, origin)
            counted = True
        context = services.context(account_id, origin, client_stream=as_text(stream_id))
        client = Client.blank(stream_id, context)
        approval = account.registration_policy.registration == "approval"
        client.register(
            context, client_id=client_id_for(stream_id), registration="dynamic", metadata=facts, needs_approval=approval,
            contacts=_sealable(contacts, context),
        )  # fmt: skip
        services.store.append([client], judged=[account])
        return client

    remembered = services.store.cached(Account, uuid_of(account_id))
    if remembered is not None:
        with suppress(RegistrationError, Conflict):
            return attempt(remembered)
    return until_settled(lambda: attempt(account_of(services, account_id)))


def register_manual(
    services: Services, account_id: str, *, name: str, redirect_uris: list[str], scopes: list[str], homepage: str | None, actor_id: str | None,
    origin: Origin, reason: str | None = None,
) -> Client:  # fmt: skip
    """Register a client for an app that doesn't register by itself; `InvalidInput` names the field that is wrong. `reason`: why it is needed."""
    stream_id = services.new_id()

    def attempt() -> Client:
        account = account_of(services, account_id)
        facts = _manual_facts(account, name, redirect_uris, scopes, homepage)
        context = services.context(account_id, origin, actor_id=actor_id, client_stream=str(stream_id))
        client = Client.blank(stream_id, context)
        client.register(context, client_id=client_id_for(stream_id), registration="manual", metadata=facts, needs_approval=False, reason=reason)
        services.store.append([client], judged=[account])
        return client

    return until_settled(attempt)


def dynamic_scopes(account: Account) -> tuple[str, ...]:
    """The scopes that a client which registers by itself may ask for: the policy's, else those the catalogue marks so."""
    named = account.registration_policy.dynamic_scopes
    return tuple(s for s in named if s in account.scopes) or tuple(s.code for s in account.scopes.values() if s.dynamic)


def admitted(account: Account, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The facts to store of a client that may register by itself, limits apart; `RegistrationError` if plan, policy or a block forbid it.

    `policy what-if` asks here, too, of an account with another policy.
    """
    _check_policy(account)
    facts = client_metadata.validate(metadata, dynamic_scopes(account))
    _check_app(account, facts)
    return facts


def _admitted_again(account: Account, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The same facts for the same document, as long as the account is as it was: apps register time and again, in the same words."""
    if not isinstance(metadata, Document):
        return admitted(account, metadata)
    known = metadata.admitted
    if known is None or known[:2] != (account.id, account.version):
        known = metadata.admitted = (account.id, account.version, admitted(account, metadata))
    return known[2]


def _check_policy(account: Account) -> None:
    if not account.has_apps:
        raise RegistrationError("access_denied", "The account's plan does not include app integrations.", status=403)
    if account.registration_policy.registration == "off":
        raise RegistrationError("access_denied", "Clients can't register by themselves here. Ask an admin to add the app.", status=403)


def _check_app(account: Account, facts: dict[str, Any]) -> None:
    if account.apps and account.app(app_fingerprint("dynamic", "", facts)).status == "blocked":
        raise RegistrationError("access_denied", "An admin of this account has blocked this app.", status=403)
    policy = account.registration_policy
    if policy.registration != "allow-list" or facts.get("software_id") in policy.allowed_software_ids:
        return
    unlisted = [uri for uri in facts["redirect_uris"] if redirect_uris.host_of(uri) not in policy.allowed_redirect_hosts]
    if unlisted:
        hosts = ", ".join(dict.fromkeys(redirect_uris.host_of(uri) for uri in unlisted))
        raise RegistrationError("access_denied", f"Only listed apps can register here, and {hosts} is not listed.", status=403)


def _count(services: Services, account: Account, origin: Origin) -> None:
    """Count it within its hour, for the address it came from and for the account, and in all."""
    now, allowances, address = services.clock(), services.allowances, origin.address
    hour = now.replace(minute=0, second=0, microsecond=0)
    state = (hour, account.registration_policy, services.limits)
    wanted = allowances.known((account.id.int, address), state, lambda: _wanted(services, account, address, hour))
    refused = allowances.take_each(services.store.tables(), wanted)
    if refused is None:
        return
    *_, hourly, total = wanted
    if refused is total:
        raise RegistrationError("access_denied", "The account has as many registered clients as its policy allows.", status=403)
    who = "Too many clients have registered" if refused is hourly else "This address has registered too many clients"
    wait = max(1, int((hour + _HOUR - now).total_seconds()))
    raise RegistrationError("temporarily_unavailable", f"{who} within the hour.", status=429, retry_after=wait)


def _wanted(services: Services, account: Account, address: str | None, hour: datetime) -> tuple[Allowance, ...]:
    """One of the address, where it is known, one of the account's hour, and one of all."""
    account_id, policy, limits = as_text(account.id), account.registration_policy, services.limits
    hourly = Allowance(f"register:{account_id}", hour, policy.registrations_per_hour)
    total = Allowance(registrations_bucket(account_id), EVER, policy.registrations_total)
    if not address:
        return hourly, total
    by_address = limits.registrations_per_address * (limits.loopback_factor if addresses.is_loopback(address) else 1)
    return Allowance(f"register:{account_id}:{addresses.counted(services, account_id, address)}", hour, by_address), hourly, total


def registrations_bucket(account_id: str) -> str:
    """The counter of an account's dynamic registrations that were not removed (window: `EVER`)."""
    return f"registrations:{account_id}"


def _sealable(contacts: list[str], context: Context) -> Personal | None:
    return Personal(f"account:{context.account_id}", "\n".join(contacts)) if contacts else None


def _manual_facts(account: Account, name: str, uris: list[str], scopes: list[str], homepage: str | None) -> dict[str, Any]:
    if not account.has_apps:
        raise Refused("The account's plan does not include app integrations.")
    if not name.strip():
        raise InvalidInput("An app needs a name.", field="name")
    unknown = [s for s in scopes if s not in account.scopes]
    if unknown or not scopes:
        raise InvalidInput(f"Choose scopes of the catalogue ({', '.join(account.scopes)}), not {', '.join(unknown) or 'none'}.", field="scope")
    document = {"client_name": name, "redirect_uris": uris, "scope": " ".join(scopes), "client_uri": homepage}
    try:
        return client_metadata.validate(document, tuple(account.scopes))
    except RegistrationError as error:
        raise InvalidInput(error.message, field=_field_of(error)) from error


def _field_of(error: RegistrationError) -> str:
    if error.code == "invalid_redirect_uri":
        return "redirect_uris"
    for prefix, field in (("client_name", "name"), ("client_uri", "homepage"), ("scope", "scope")):
        if error.message.startswith(prefix):
            return field
    return "name"
