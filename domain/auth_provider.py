"""How an account's people sign in through its own OpenID provider: the settings, who they let in, and with which role."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from domain.account import PLANS_WITH_APPS, Account
from domain.base import Context
from domain.errors import InvalidInput, Refused
from domain.roles import permissions_of

PROVIDER = "sso"
"""The account's one OpenID provider, as its settings are named in the account's events."""
DIRECTORY = "scim"
"""The directory that provisions people by SCIM."""
_LONGEST = 300
_MOST_GROUPS = 200


@dataclass(frozen=True, slots=True)
class AuthProvider:
    """`domains` are proven and let people in by e-mail; `waiting_domains` are not yet. `break_glass`: member ids that keep their password.

    `group_roles` are (group, role) in order: the first group that a person is in decides.
    """

    issuer: str = ""
    client_id: str = ""
    enabled: bool = False
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    domains: tuple[str, ...] = ()
    waiting_domains: tuple[str, ...] = ()
    default_role: str = "Member"
    groups_claim: str = "groups"
    group_roles: tuple[tuple[str, str], ...] = ()
    enforced: bool = False
    break_glass: tuple[str, ...] = ()

    def role_for(self, groups: Iterable[str]) -> str:
        """The role that these groups stand for, or the default one."""
        held = frozenset(groups)
        return next((role for group, role in self.group_roles if group in held), self.default_role)

    def proven(self, email: str) -> bool:
        """Whether a normalised address belongs to a domain that the account has proven."""
        return email.rpartition("@")[2] in self.domains


def provider_of(account: Account) -> AuthProvider:
    """The account's settings, empty before they are made; unknown members of other releases are ignored."""
    fact = account.auth_providers.get(PROVIDER, {})
    known = {f.name for f in fields(AuthProvider)}
    values: dict[str, Any] = {name: _tuples(value) for name, value in fact.items() if name in known}
    return AuthProvider(**values)


def included(account: Account) -> bool:
    """Whether the plan has single sign-on and provisioning."""
    return account.plan in PLANS_WITH_APPS


def in_force(account: Account) -> bool:
    """Whether people can sign in through the provider now."""
    return included(account) and provider_of(account).enabled


def password_allowed(account: Account, member_id: str) -> bool:
    """Whether this member may sign in by password now."""
    provider = provider_of(account)
    return not (in_force(account) and provider.enforced) or member_id in provider.break_glass


def change_provider(account: Account, provider: AuthProvider, context: Context, *, new_secret: bool = False) -> None:
    """Record the settings, whole, and which of them differ, if any does; the client secret stands elsewhere.

    `InvalidInput` names the field, `Refused` says that the plan lacks this.
    """
    require_included(account)
    _check(provider)
    before = provider_of(account)
    changes = [f.name for f in fields(AuthProvider) if getattr(provider, f.name) != getattr(before, f.name)]
    changes += ["client_secret"] if new_secret else []
    if changes:
        account.record(Account.AuthProviderChanged, context, provider_id=PROVIDER, settings={**asdict(provider), "changes": changes})


def change_directory(account: Account, settings: dict[str, Any], context: Context) -> None:
    """Record that the directory's token was made, replaced or taken away."""
    require_included(account)
    account.record(Account.AuthProviderChanged, context, provider_id=DIRECTORY, settings=settings)


def require_included(account: Account) -> None:
    if not included(account):
        raise Refused("Single sign-on and provisioning are part of the Enterprise and Enterprise+ plans.")


def _check(provider: AuthProvider) -> None:
    if provider.issuer or provider.enabled:
        _check_issuer(provider.issuer)
    if provider.enabled and not provider.client_id:
        raise InvalidInput("Give the client ID that the provider has issued.", field="client_id")
    if len(provider.client_id) > _LONGEST or not provider.client_id.isprintable():
        raise InvalidInput(f"A client ID has up to {_LONGEST} printable characters.", field="client_id")
    permissions_of(provider.default_role)
    if len(provider.group_roles) > _MOST_GROUPS:
        raise InvalidInput(f"Map at most {_MOST_GROUPS} groups.", field="group_roles")
    for group, role in provider.group_roles:
        if not group or len(group) > _LONGEST:
            raise InvalidInput(f"A group's name has 1 to {_LONGEST} characters.", field="group_roles")
        permissions_of(role)
    if provider.enforced and not provider.enabled:
        raise InvalidInput("Turn single sign-on on before you enforce it.", field="enforced")
    if provider.enforced and not provider.break_glass:
        raise InvalidInput("Choose at least one admin who can still sign in by password if the provider fails.", field="break_glass")


def _check_issuer(issuer: str) -> None:
    """OpenID Connect Discovery 2: an https URL without query and fragment. Plain http is for a provider on this very computer."""
    try:
        parts = urlsplit(issuer)
        valid = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc and not set("?#\\ ") & set(issuer)
    except ValueError:
        raise InvalidInput("That is no URL.", field="issuer") from None
    if not valid or not issuer.isprintable() or len(issuer) > _LONGEST or parts.scheme not in ("https", "http"):
        raise InvalidInput("The issuer is an https URL without a query, exactly as the provider writes it.", field="issuer")
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise InvalidInput("The issuer must be reached over https.", field="issuer")


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list | tuple) else value
