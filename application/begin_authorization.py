"""An authorization request (OAuth 2.1 4.1.1, RFC 7636, RFC 8707, RFC 9207): validated, kept ten minutes, shown to the member."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from application import addresses
from application.redirect_uris import matches
from application.register_client import dynamic_scopes
from application.resources import InvalidTarget, canonical
from application.services import Origin, Services
from domain.access import EndReason, app_refusal, holdable
from domain.account import Account
from domain.base import Stream
from domain.client import Client
from domain.consent import Consent
from domain.ids import client_stream_from, consent_stream
from domain.member import Member
from domain.scopes import OFFLINE_ACCESS, Scope, parse_scope

LIFETIME = timedelta(minutes=10)
PageErrorKind = Literal["unknown", "removed", "blocked", "redirect_mismatch", "bad_request", "too_many"]
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{20,100}\Z")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_LONGEST = 4096
_MAY_REPEAT = frozenset({"resource"})
_NOT_SUPPORTED = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "authorization_details": "invalid_authorization_details",
}


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A validated request that waits for the member's decision. `scopes` as asked, `offline_access` among them if it was."""

    request_id: str
    account_id: str
    client_stream: str
    client_id: str
    redirect_uri: str
    redirect_uri_sent: bool
    scopes: tuple[str, ...]
    resource: str
    state: str | None
    code_challenge: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AuthorizationPageError:
    """The client or its redirect URI can't be trusted: a page for the person, never a redirect (RFC 6749 4.1.2.1)."""

    kind: PageErrorKind
    message: str
    client_id: str = ""
    client: Client | None = None
    sent_redirect_uri: str = ""


@dataclass(frozen=True, slots=True)
class AuthorizationRedirectError:
    """An error that the client is told at its redirect URI."""

    redirect_uri: str
    error: str
    description: str
    state: str | None


@dataclass(frozen=True, slots=True)
class ScopeOffer:
    """A scope on the consent page: whether the member holds it at all, and whether it is in the consent in force already."""

    scope: Scope
    holdable: bool
    agreed: bool


@dataclass(frozen=True, slots=True)
class ConsentState:
    """What the consent page shows, all read at one moment. `refusal` says why the app may not act now (`app_pending`: not yet)."""

    client: Client
    account: Account
    member: Member
    consent: Consent | None
    refusal: EndReason | None
    verified: bool
    scopes: tuple[ScopeOffer, ...]
    projects: dict[str, str]
    may_keep_alive: bool

    @property
    def needs_projects(self) -> bool:
        return any(o.scope.per_project and o.holdable for o in self.scopes)


class _Refusal(Exception):
    """An error for the redirect URI."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error, self.description = error, description


def begin(
    services: Services, account_id: str, params: Mapping[str, list[str]], origin: Origin
) -> PendingRequest | AuthorizationPageError | AuthorizationRedirectError:
    """Validate the request and keep it; nothing is recorded before the member decides."""
    found = _client_and_redirect(services, account_id, params)
    if isinstance(found, AuthorizationPageError):
        return found
    account, client, redirect_uri = found
    try:
        request = _request(services, account, client, redirect_uri, params)
    except _Refusal as refusal:
        states = params.get("state", [])
        state = states[0] if len(states) == 1 and _is_text(states[0]) and states[0] else None
        return AuthorizationRedirectError(redirect_uri, refusal.error, refusal.description, state)
    if not _counted(services, account_id, origin):
        return AuthorizationPageError("too_many", "Too many apps asked from this address within the hour.", client.client_id, client)
    _keep(services, request)
    return request


def pending(services: Services, account_id: str, request_id: str) -> PendingRequest | None:
    """The account's request that waits under this id; None if there is none, it is too old, or it was decided."""
    row = services.store.tables().authorization_request(request_id, services.clock()) if _REQUEST_ID.match(request_id) else None
    if row is None or row["account_id"] != account_id:
        return None
    facts: dict[str, Any] = {**row["parameters"], "scopes": tuple(row["parameters"]["scopes"])}
    return PendingRequest(
        request_id=request_id, account_id=str(row["account_id"]), client_stream=str(row["client_stream"]), created_at=row["created_at"], **facts
    )


def consent_state(services: Services, request: PendingRequest, member_id: str) -> ConsentState | None:
    """What stands on the consent page now; None if the account, client or member is gone."""
    consent_id = consent_stream(request.account_id, member_id, request.client_stream)
    wanted: list[tuple[type[Stream], UUID]] = [
        (Account, UUID(request.account_id)),
        (Client, UUID(request.client_stream)),
        (Member, UUID(member_id)),
        (Consent, consent_id),
    ]
    account, client, member, consent = services.store.load_many(wanted)
    if account is None or client is None or member is None or member.account_id != request.account_id:
        return None
    agreed = consent.scopes if consent is not None and consent.in_force else {}
    allowed = allowed_scopes(account, client)
    offered = [account.scopes[s] for s in request.scopes if s in allowed and s != OFFLINE_ACCESS]
    return ConsentState(
        client=client, account=account, member=member, consent=consent, refusal=app_refusal(client, account),
        verified=account.app(client.fingerprint).verified,
        scopes=tuple(ScopeOffer(s, holdable(member, account, s.code), s.code in agreed) for s in offered),
        projects=_projects(account, member, offered), may_keep_alive=client.may_refresh,
    )  # fmt: skip


def _projects(account: Account, member: Member, scopes: list[Scope]) -> dict[str, str]:
    """The projects in which the member holds a permission that is asked for."""
    permissions = {s.permission for s in scopes if s.per_project}
    return {p: name for p, name in account.projects.items() if any(member.holds(needed, p) for needed in permissions)}


def _client_and_redirect(
    services: Services, account_id: str, params: Mapping[str, list[str]]
) -> tuple[Account, Client, str] | AuthorizationPageError:
    ids, uris = params.get("client_id", []), params.get("redirect_uri", [])
    if len(ids) != 1 or not ids[0] or not _is_text(ids[0]):
        return AuthorizationPageError("bad_request", "client_id must be sent once.")
    client_id = ids[0]
    if len(uris) > 1:
        return AuthorizationPageError("bad_request", "redirect_uri must be sent once.", client_id)
    stream_id = client_stream_from(client_id, account_id)
    account, client = services.store.load_many([(Account, UUID(account_id)), (Client, stream_id or UUID(int=0))])
    if client is None or account is None or client.account_id != account_id or client.client_id != client_id:
        return AuthorizationPageError("unknown", "The client is not registered here.", client_id)
    if client.removed:
        return AuthorizationPageError("removed", "The client's registration was removed.", client_id, client)
    redirect_uri = _redirect_uri(client, uris)
    if redirect_uri is None:
        sent = uris[0] if uris else ""
        why = "redirect_uri is not one that the client registered." if sent else "redirect_uri must be sent."
        return AuthorizationPageError("redirect_mismatch" if sent else "bad_request", why, client_id, client, sent)
    if account.app(client.fingerprint).status == "blocked":
        return AuthorizationPageError("blocked", "An admin has blocked the app.", client_id, client)
    return account, client, redirect_uri


def _redirect_uri(client: Client, sent: list[str]) -> str | None:
    """The URI to answer at: the one sent if it was registered, the only one registered if none was sent."""
    if not sent or not sent[0]:
        return client.redirect_uris[0] if len(client.redirect_uris) == 1 else None
    return sent[0] if any(matches(registered, sent[0]) for registered in client.redirect_uris) else None


def _request(services: Services, account: Account, client: Client, redirect_uri: str, params: Mapping[str, list[str]]) -> PendingRequest:
    once = _checked(params)
    if not account.has_apps:
        raise _Refusal("access_denied", "The account's plan does not include app integrations.")
    try:
        resource = canonical(services, account, params.get("resource", []))
    except InvalidTarget as error:
        raise _Refusal("invalid_target", error.message) from error
    return PendingRequest(
        request_id=services.new_secret(), account_id=str(account.id), client_stream=str(client.id), client_id=client.client_id,
        redirect_uri=redirect_uri, redirect_uri_sent="redirect_uri" in once, scopes=_scopes(account, client, resource, once.get("scope")),
        resource=resource, state=once.get("state"), code_challenge=once["code_challenge"], created_at=services.clock(),
    )  # fmt: skip


def _counted(services: Services, account_id: str, origin: Origin) -> bool:
    """Count it for the address it came from, which need not have signed in; False if that has asked too often."""
    if origin.address is None:
        return True
    limit = services.limits.authorizations_per_address * (services.limits.loopback_factor if addresses.is_loopback(origin.address) else 1)
    bucket = f"authorize:{account_id}:{addresses.counted(services, account_id, origin.address)}"
    return services.allowances.take(services.store.tables(), bucket, services.clock().replace(minute=0, second=0, microsecond=0), limit)


def _keep(services: Services, request: PendingRequest) -> None:
    facts = {
        "client_id": request.client_id, "redirect_uri": request.redirect_uri, "redirect_uri_sent": request.redirect_uri_sent,
        "scopes": list(request.scopes), "resource": request.resource, "state": request.state, "code_challenge": request.code_challenge,
    }  # fmt: skip
    services.store.tables().add_authorization_request(
        request.request_id, request.account_id, request.client_stream, facts, request.created_at + LIFETIME
    )


def _checked(params: Mapping[str, list[str]]) -> dict[str, str]:
    """Each parameter's one value, empty ones left out (RFC 6749 3.1), after the rules that concern neither scope nor resource."""
    for name, values in params.items():
        if len(values) > 1 and name not in _MAY_REPEAT:
            raise _Refusal("invalid_request", "A parameter was sent more than once.")
        if not all(_is_text(v) for v in values):
            raise _Refusal("invalid_request", f"A parameter holds control characters or more than {_LONGEST} characters.")
    once = {name: values[0] for name, values in params.items() if values and values[0]}
    for name, error in _NOT_SUPPORTED.items():
        if name in once:
            raise _Refusal(error, f"{name} is not supported.")
    if "response_type" not in once:
        raise _Refusal("invalid_request", "response_type must be sent.")
    if once["response_type"] != "code":
        raise _Refusal("unsupported_response_type", "response_type must be code.")
    if once.get("response_mode", "query") != "query":
        raise _Refusal("invalid_request", "response_mode must be query.")
    _check_challenge(once)
    if "none" in once.get("prompt", "").split():
        raise _Refusal("interaction_required", "The user has to decide on the consent page.")
    return once


def _check_challenge(once: Mapping[str, str]) -> None:
    """PKCE is required, and only S256 (OAuth 2.1 4.1.1, RFC 9700 2.1.1)."""
    if "code_challenge" not in once:
        raise _Refusal("invalid_request", "code_challenge must be sent (PKCE, RFC 7636).")
    if once.get("code_challenge_method", "plain") != "S256":
        raise _Refusal("invalid_request", "code_challenge_method must be S256.")
    if not _CHALLENGE.match(once["code_challenge"]):
        raise _Refusal("invalid_request", "code_challenge must be the base64url of a SHA-256: 43 characters.")


def _scopes(account: Account, client: Client, resource: str, asked: str | None) -> tuple[str, ...]:
    """The scopes asked for, or those registered, or those that any client may have; those that the resource doesn't serve are left out."""
    allowed = allowed_scopes(account, client)
    if asked is not None:
        wanted = parse_scope(asked)
        if any(s not in account.scopes for s in wanted):
            raise _Refusal("invalid_scope", f"Scopes here: {' '.join(allowed)}")
        if any(s not in allowed for s in wanted):
            anew = client.registration != "manual" and all(s in dynamic_scopes(account) for s in wanted)
            raise _Refusal("invalid_scope", f"This client may ask for: {' '.join(allowed)}{'. For more it has to register anew.' if anew else ''}")
    else:
        wanted = client.scopes or tuple(s for s in allowed if s != OFFLINE_ACCESS)
        wanted = tuple(s for s in wanted if s in allowed)
    served = account.resources[resource].scopes
    kept = tuple(s for s in wanted if s in served or s == OFFLINE_ACCESS)
    if all(s == OFFLINE_ACCESS for s in kept):
        raise _Refusal("invalid_scope", f"The resource serves: {' '.join(s for s in served if s in allowed)}")
    return kept


def allowed_scopes(account: Account, client: Client) -> tuple[str, ...]:
    """What the client may ask for now, by the policy and its registration."""
    by_policy = tuple(account.scopes) if client.registration == "manual" else dynamic_scopes(account)
    registered = client.scopes
    return by_policy if registered is None else tuple(s for s in registered if s in by_policy)


def _is_text(value: str) -> bool:
    return len(value) <= _LONGEST and not any(c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in value)
