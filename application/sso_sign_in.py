"""Signing in through the account's OpenID provider: begun bound to one browser, finished once, for people whom the account lets in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from application import addresses
from application.browser_sessions import SESSION_LIFE, SignedIn
from application.identity_ports import Identity, IdentityTools, ProviderFailed, Request, SsoRequest
from application.lookups import account_of
from application.retrying import until_settled
from application.services import Origin, Services
from application.sign_in import WINDOW, note_failure, window_of
from application.sso_members import NotLetIn, admit
from domain.account import Account
from domain.auth_provider import PROVIDER, AuthProvider, in_force, provider_of

CALLBACK = "/sso/callback"
REQUEST_LIFE = timedelta(minutes=10)
_CLOCKS = timedelta(seconds=60)
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Started:
    """Where the browser goes, and the secret that binds the answer to it (a cookie, kept for other tabs)."""

    url: str
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finished:
    signed_in: SignedIn
    next: str


@dataclass(frozen=True, slots=True)
class SsoRefused:
    """`message` is for the person; the reason stands in the audit log."""

    message: str
    next: str = ""
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """The parameters of the provider's redirect (OAuth 2.0 4.1.2, RFC 9207)."""

    state: str
    code: str = field(default="", repr=False)
    iss: str | None = None
    error: str = ""


def start(
    services: Services, tools: IdentityTools, account_id: str, origin: Origin, *, browser: str | None, wanted: str, afresh: bool
) -> Started | SsoRefused:
    """Begin a sign-in. `browser`: the secret that this browser has from before; `afresh`: the person must prove anew who they are."""
    provider = _provider(account_of(services, account_id))
    if provider is None:
        return SsoRefused("This account has no single sign-on. Sign in with your password.", wanted)
    wait = _wait(services, account_id, origin)
    if wait is not None:
        return SsoRefused("That was too often.", wanted, wait)
    secret, state, now = browser or services.new_secret(), services.new_secret(), services.clock()
    try:
        url = tools.provider.authorization_url(_request(services, provider, state, secret), scopes=provider.scopes, afresh=afresh)
    except ProviderFailed as error:
        note_failure(services, account_id, origin, method="sso", member_id=None, login_key=None, reason=error.code)
        return SsoRefused(f"The provider can't be used right now. {error.message}", wanted)
    row = SsoRequest(account_id, _hash(secret), wanted, afresh, now)
    services.store.tables().add_sso_request(_hash(state), row, now + REQUEST_LIFE)
    return Started(url, secret)


def finish(
    services: Services, tools: IdentityTools, account_id: str, origin: Origin, answer: ProviderAnswer, browser: str | None
) -> Finished | SsoRefused:
    """Take the provider's answer, once. What is refused is recorded, unless it answers nothing that was ever begun here."""
    now = services.clock()
    request = services.store.tables().use_sso_request(_hash(answer.state), account_id, now) if answer.state else None
    if request is None:
        return SsoRefused("This sign-in was not begun here, or is long over. Start it again.")

    def refused(reason: str, message: str, member_id: str | None = None) -> SsoRefused:
        note_failure(services, account_id, origin, method="sso", member_id=member_id, login_key=None, reason=reason)
        return SsoRefused(message, request.next)

    if request.spent:
        return refused("state_replayed", "This sign-in was finished before. Start it again.")
    if request.expired:
        return refused("state_expired", "This sign-in took too long. Start it again.")
    if browser is None or not hmac.compare_digest(request.browser_hash, _hash(browser)):
        return refused("other_browser", "This sign-in was begun in another browser. Start it again in this one.")
    provider = _provider(account_of(services, account_id))
    if provider is None:
        return refused("provider_failed", "This account has no single sign-on any more.")
    try:
        identity = _identity(services, tools, account_id, provider, answer, browser, now)
    except ProviderFailed as error:
        return refused(error.code, error.message)
    if request.afresh and identity.authenticated_at is not None and identity.authenticated_at < request.created_at - _CLOCKS:
        return refused("not_afresh", "The provider did not ask you to sign in again. Sign out there first.")
    try:
        signed_in = until_settled(lambda: admit(services, account_id, origin, identity, authenticated_at=_proved(identity, request, now)))
    except NotLetIn as error:
        return refused(error.reason, error.message, error.member_id)
    return Finished(signed_in, request.next)


def redirect_uri(services: Services) -> str:
    """Where the provider sends people back to: what an admin registers there."""
    return services.issuer + CALLBACK


def secret_purpose(account_id: str) -> str:
    """What the client secret is sealed for."""
    return f"{account_id}:{PROVIDER}"


def _provider(account: Account) -> AuthProvider | None:
    return provider_of(account) if in_force(account) else None


def _identity(
    services: Services, tools: IdentityTools, account_id: str, provider: AuthProvider, answer: ProviderAnswer, browser: str, now: datetime
) -> Identity:
    request = _request(services, provider, answer.state, browser)
    if answer.error or not 0 < len(answer.code) <= _LONGEST:
        tools.provider.check_issuer(request, answer.iss)
        said = answer.error if answer.error.isascii() and answer.error.replace("_", "").isalnum() and len(answer.error) < 60 else "no code"
        raise ProviderFailed("provider_refused", f"The provider did not sign you in ({said}).")
    sealed = services.store.tables().provider_secret(account_id, PROVIDER)
    secret = None if sealed is None else tools.box.open(sealed, secret_purpose(account_id))
    if sealed is not None and secret is None:
        raise ProviderFailed("provider_failed", "The client secret can't be read any more. An admin must enter it again.")
    return tools.provider.identity(request, secret=secret, code=answer.code, iss=answer.iss, groups_claim=provider.groups_claim, now=now)


def _proved(identity: Identity, request: SsoRequest, now: datetime) -> datetime:
    """When the person proved who they are: by the provider's word; else now if it was made to ask, else too long ago for what needs it afresh."""
    if identity.authenticated_at is not None:
        return min(identity.authenticated_at, now)
    return now if request.afresh else now - SESSION_LIFE


def _request(services: Services, provider: AuthProvider, state: str, browser: str) -> Request:
    """Nonce and verifier come from the browser's secret, so that nobody can finish a sign-in with what the database holds."""
    nonce, verifier = (_derived(browser, f"{label}\x00{state}") for label in ("nonce", "verifier"))
    return Request(provider.issuer, provider.client_id, redirect_uri(services), state, nonce, verifier)


def _derived(secret: str, label: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), label.encode(), "sha256")).rstrip(b"=").decode()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _wait(services: Services, account_id: str, origin: Origin) -> int | None:
    """The seconds to wait if this address has begun too many sign-ins."""
    if origin.address is None:
        return None
    now, limits = services.clock(), services.limits
    limit = limits.sign_ins_per_address * (limits.loopback_factor if addresses.is_loopback(origin.address) else 1)
    begun, bucket = window_of(now, WINDOW), f"sso:{account_id}:{addresses.counted(services, account_id, origin.address)}"
    if services.allowances.take(services.store.tables(), bucket, begun, limit):
        return None
    return max(1, math.ceil((begun + WINDOW - now).total_seconds()))
