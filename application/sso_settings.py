"""What admins decide about sign-in through their OpenID provider: its settings and secret, whom it lets in, the domains they have proven."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from application import emails
from application.identity_ports import IdentityTools, ProviderFailed
from application.lookups import account_of, as_uuid
from application.ports import Recorded, Tables
from application.retrying import until_settled
from application.services import Origin, Services
from application.sso_sign_in import secret_purpose
from domain.auth_provider import PROVIDER, AuthProvider, change_provider, provider_of, require_included
from domain.errors import InvalidInput, Refused
from domain.member import Member
from domain.roles import ACCOUNT_ADMIN

PROOF_PATH = "/.well-known/grantbook-domain"
_PROOF = "grantbook-domain="
_MOST_DOMAINS = 50
_LONGEST_SECRET = 1000


@dataclass(frozen=True, slots=True)
class SsoSettings:
    """What the form holds. `secret`: None keeps the one there is, an empty one takes it away."""

    issuer: str
    client_id: str
    secret: str | None
    enabled: bool
    scopes: tuple[str, ...]
    default_role: str
    groups_claim: str
    group_roles: tuple[tuple[str, str], ...]
    enforced: bool
    break_glass: tuple[str, ...]


def change(services: Services, tools: IdentityTools, account_id: str, wanted: SsoSettings, *, origin: Origin, actor_id: str) -> Recorded | None:
    """Replace the settings, whole; None where nothing was to change. Enforcing ends the sessions of everyone else but the break-glass admins."""
    if wanted.secret is not None and (len(wanted.secret) > _LONGEST_SECRET or not wanted.secret.isprintable()):
        raise InvalidInput("A client secret is printable text of up to 1,000 characters.", field="client_secret")
    sealed = tools.box.seal(wanted.secret, secret_purpose(account_id)) if wanted.secret else None

    def attempt() -> Recorded | None:
        account = account_of(services, account_id)
        before = provider_of(account)
        after = replace(
            before,
            issuer=wanted.issuer.strip(), client_id=wanted.client_id.strip(), enabled=wanted.enabled, scopes=wanted.scopes,
            default_role=wanted.default_role, groups_claim=wanted.groups_claim.strip(), group_roles=wanted.group_roles,
            enforced=wanted.enforced, break_glass=tuple(dict.fromkeys(wanted.break_glass)),
        )  # fmt: skip
        context = services.context(account_id, origin, actor_id=actor_id)
        judged = _break_glass_admins(services, account_id, after)
        change_provider(account, after, context, new_secret=wanted.secret is not None)
        if not account.pending_events:
            return None

        def with_secret(tables: Tables) -> None:
            # A secret is for the provider that issued it: another issuer never gets to see it.
            if wanted.secret is not None or after.issuer != before.issuer:
                tables.set_provider_secret(account_id, PROVIDER, sealed)
            if after.enforced and not before.enforced:
                tables.remove_browser_sessions_but_of(account_id, (actor_id, *after.break_glass))

        return services.store.append([account], judged, also=with_secret)

    return until_settled(attempt)


def _break_glass_admins(services: Services, account_id: str, provider: AuthProvider) -> list[Member]:
    """Those named, if each of them can save the account: an active Account Admin with a password."""
    found = []
    for member_id in provider.break_glass:
        stream_id = as_uuid(member_id)
        member = services.store.load(Member, stream_id) if stream_id else None
        if member is None or member.account_id != account_id or not member.active or member.role != ACCOUNT_ADMIN:
            raise InvalidInput("A break-glass admin is an active Account Admin.", field="break_glass")
        if not services.store.tables().password_set(account_id, member_id):
            raise InvalidInput("A break-glass admin needs a password; set one first.", field="break_glass")
        found.append(member)
    return found


# ---- domains


def proof_of(services: Services, account_id: str, domain: str) -> str:
    """The line that the domain's owner publishes: good for this account and this domain only, the same whenever it is asked for."""
    return _PROOF + services.login_key(account_id, f"domain:{domain}").hex()[:40]


def add_domain(services: Services, account_id: str, text: str, *, origin: Origin, actor_id: str) -> Recorded | None:
    """Name a domain that is to be proven; nobody is let in by it yet."""
    domain = checked_domain(text)

    def decide(provider: AuthProvider) -> AuthProvider:
        if domain in (*provider.domains, *provider.waiting_domains):
            return provider
        if len(provider.domains) + len(provider.waiting_domains) >= _MOST_DOMAINS:
            raise Refused(f"An account has at most {_MOST_DOMAINS} domains.")
        return replace(provider, waiting_domains=(*provider.waiting_domains, domain))

    return _decide(services, account_id, decide, origin, actor_id)


def prove_domain(services: Services, tools: IdentityTools, account_id: str, text: str, *, origin: Origin, actor_id: str) -> Recorded | None:
    """Look for the proof at the domain and take the domain in; `Refused` says what was found instead."""
    domain, proof = checked_domain(text), proof_of(services, account_id, checked_domain(text))
    require_included(account_of(services, account_id))
    try:
        published = tools.fetch_proof(domain)
    except ProviderFailed as error:
        raise Refused(f"{domain} is not proven. {error.message}") from None
    if not any(hmac.compare_digest(line.strip().encode(), proof.encode()) for line in published.splitlines()):
        raise Refused(f"{domain} is not proven. https://{domain}{PROOF_PATH} does not hold this account's line.")

    def decide(provider: AuthProvider) -> AuthProvider:
        waiting = tuple(d for d in provider.waiting_domains if d != domain)
        return replace(provider, domains=tuple(dict.fromkeys((*provider.domains, domain))), waiting_domains=waiting)

    return _decide(services, account_id, decide, origin, actor_id)


def remove_domain(services: Services, account_id: str, text: str, *, origin: Origin, actor_id: str) -> Recorded | None:
    """Let nobody new in by this domain; people who are linked stay."""
    domain = text.strip().lower()

    def decide(provider: AuthProvider) -> AuthProvider:
        left: Sequence[tuple[str, ...]] = [tuple(d for d in those if d != domain) for those in (provider.domains, provider.waiting_domains)]
        return replace(provider, domains=left[0], waiting_domains=left[1])

    return _decide(services, account_id, decide, origin, actor_id)


def checked_domain(text: str) -> str:
    """The domain in lower case and IDNA; `InvalidInput` if no e-mail address can have it."""
    try:
        domain = emails.normalised(f"somebody@{text.strip().lstrip('@')}").rpartition("@")[2]
    except InvalidInput:
        domain = ""
    if "." not in domain:
        raise InvalidInput("That is no domain; it looks like example.com.", field="domain")
    return domain


def _decide(services: Services, account_id: str, decide: Callable[[AuthProvider], AuthProvider], origin: Origin, actor_id: str) -> Recorded | None:
    def attempt() -> Recorded | None:
        account = account_of(services, account_id)
        change_provider(account, decide(provider_of(account)), services.context(account_id, origin, actor_id=actor_id))
        return services.store.append([account]) if account.pending_events else None

    return until_settled(attempt)


# ---- the provider, looked at


def examine(services: Services, tools: IdentityTools, account_id: str) -> list[str]:
    """What the provider answers just now, in sentences; `Refused` says what is wrong with it."""
    account = account_of(services, account_id)
    require_included(account)
    issuer = provider_of(account).issuer
    if not issuer:
        raise Refused("There is no provider to test yet.")
    try:
        return tools.provider.examine(issuer)
    except ProviderFailed as error:
        raise Refused(f"The provider does not work. {error.message}") from None


def admins_with_password(services: Services, account_id: str, member_ids: Sequence[UUID]) -> list[UUID]:
    """Those of them who can be break-glass admins now."""
    tables = services.store.tables()
    members = services.store.load_many([(Member, member_id) for member_id in member_ids])
    able = [m for m in members if m is not None and m.account_id == account_id and m.active and m.role == ACCOUNT_ADMIN]
    return [member.id for member in able if tables.password_set(account_id, str(member.id))]
