"""What code exchange and refresh share: the answer with its tokens, narrowing, and the refusals of the token endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from application.known_access import Known
from application.resources import InvalidTarget, canonical
from application.services import Origin, Services
from domain.access import CLIENT_REASONS, Access, EndReason, Standing, app_refusal
from domain.account import Account
from domain.base import Context, Stream
from domain.client import Client
from domain.grant import Grant, Issue
from domain.ids import as_text, client_stream_from
from domain.scopes import parse_scope
from domain.tokens import REFRESH

RefusalCode = Literal["invalid_request", "invalid_client", "invalid_grant", "invalid_scope", "invalid_target", "unauthorized_client"]


class TokenRefused(Exception):
    """The token endpoint says no: an error of RFC 6749 5.2 (or RFC 8707 2), a public sentence, the HTTP status, and a word to count it by."""

    def __init__(self, error: RefusalCode, description: str, status: int = 400, *, reason: str = "") -> None:
        super().__init__(error)
        self.error, self.description, self.status, self.reason = error, description, status, reason or error


class TokenAnswer(NamedTuple):
    """A successful answer (RFC 6749 5.1). `expires_in` in seconds; `scope` is what holds now."""

    access_token: str
    expires_in: int
    refresh_token: str | None
    scope: str
    grant_id: str


class Asked(NamedTuple):
    """What a request at the token endpoint narrows to, if it does: `scope` (RFC 6749 6) and `resource` (RFC 8707 2.2)."""

    scope: str | None = None
    resources: tuple[str, ...] = ()


REASONS: dict[EndReason, str] = {
    "revoked": "The session was revoked.",
    "reuse_detected": "The session ended because a refresh token was used twice.",
    "code_replayed": "The session ended because its code was used twice.",
    "idle": "The session was not used for too long.",
    "absolute": "The session has reached its end.",
    "consent_withdrawn": "The user has withdrawn the consent.",
    "client_removed": "The client's registration was removed; register again.",
    "app_blocked": "An admin has blocked the app.",
    "app_pending": "An admin has to approve the app first.",
    "member_deactivated": "The user is not active any more.",
    "resource_removed": "The protected resource was removed.",
    "plan": "The account's plan does not include app integrations.",
}


LIFTED: dict[EndReason, str] = {
    "client_removed": "The client was removed meanwhile; the session has ended for good.",
    "app_blocked": "An admin blocked the app meanwhile; the session has ended for good.",
}
"""The same for a client that may act again now."""


def refused_client(client: Client, account: Account) -> TokenRefused | None:
    """The refusal for a client that is removed or blocked at this moment, or None."""
    reason = app_refusal(client, account)
    return TokenRefused("invalid_client", REASONS[reason], 401, reason=reason) if reason in CLIENT_REASONS else None


def refusal(reason: EndReason) -> TokenRefused:
    """The refusal for a grant that gives nothing, though its client is none to be refused."""
    return TokenRefused("invalid_grant", LIFTED.get(reason, REASONS[reason]), reason=reason)


def unknown_token(services: Services, account_id: str, client_id: str, description: str) -> TokenRefused:
    """The refusal for a token that is not this client's: a client that is not (any more) registered hears that first, and registers again.

    It is refused whatever the cache says, so a client that is known there costs no query.
    """
    stream_id, account_stream = client_stream_from(client_id, account_id), UUID(account_id)
    if stream_id is None:
        return unknown_client()
    invalid = TokenRefused("invalid_grant", description)
    if _refused_client(services.store.cached(Account, account_stream), services.store.cached(Client, stream_id), account_id, client_id) is None:
        return invalid
    wanted: list[tuple[type[Stream], UUID]] = [(Account, account_stream), (Client, stream_id)]
    account, client = services.store.load_many(wanted)
    return _refused_client(account, client, account_id, client_id) or invalid


def _refused_client(account: Account | None, client: Client | None, account_id: str, client_id: str) -> TokenRefused | None:
    if account is None or client is None or client.account_id != account_id or client.client_id != client_id:
        return unknown_client()
    return refused_client(client, account)


def unknown_client() -> TokenRefused:
    """401, on which real clients register again (PROTOCOL 17)."""
    return TokenRefused("invalid_client", "The client is not registered here.", 401)


def effective(services: Services, standing: Standing, known: Known, asked: Asked) -> Access:
    """What the grant gives now, narrowed to what was asked; `TokenRefused` where that is nothing, or more than was granted."""
    if asked.resources:
        _check_resource(services, standing, asked.resources)
    held = known.access
    if not held:
        raise TokenRefused("invalid_grant", "Nothing of what the user allowed is left.")
    if asked.scope is None:
        return held
    wanted = parse_scope(asked.scope)
    if not wanted or any(s not in standing.grant.scopes for s in wanted):
        raise TokenRefused("invalid_scope", "scope goes beyond what was granted.")
    narrowed = held.only(wanted)
    if not narrowed:
        raise TokenRefused("invalid_scope", "Nothing of that scope is left.")
    return narrowed


def _check_resource(services: Services, standing: Standing, resources: Sequence[str]) -> None:
    try:
        same = canonical(services, standing.account, resources) == standing.grant.resource
    except InvalidTarget as error:
        raise TokenRefused("invalid_target", error.message) from error
    if not same:
        raise TokenRefused("invalid_target", "The grant is for another resource.")


class Prepared(NamedTuple):
    """Tokens that are decided; given once the event that is pending on the grant of `standing`, if it needs one, is recorded."""

    standing: Standing
    allowed: Access
    issue: Issue
    token_id: str
    ttl: int
    now: datetime

    @property
    def judged(self) -> tuple[Stream, ...]:
        """The streams that the decision stands on besides the grant."""
        return (self.standing.consent, self.standing.client, self.standing.member, self.standing.account)


def prepare(services: Services, standing: Standing, known: Known, asked: Asked, origin: Origin, now: datetime) -> Prepared:
    """Decide scope and lifetime and record the issue on the grant, which is the caller's; `TokenRefused` where nothing is left."""
    allowed = effective(services, standing, known, asked)
    grant, ttl, token_id = standing.grant, known.terms.lifetime(now), services.new_token_id()
    issue = grant.issue_tokens(
        context_of(services, grant, origin, now),
        key_id=services.codec.key_id,
        access_token_id=token_id,
        access_token_ttl=ttl,
        scope=allowed.scope,
        judged=known.versions,
    )
    return Prepared(standing, allowed, issue, token_id, ttl, now)


def context_of(services: Services, grant: Grant, origin: Origin, now: datetime | None = None) -> Context:
    """The context of what happens to the grant through its client, for its member."""
    return services.context(grant.account_id, origin, actor_id=grant.member_id, client_stream=grant.for_client, now=now)


def answer(services: Services, prepared: Prepared) -> TokenAnswer:
    """Sign the access token and make the refresh token of the generation that `issue` recorded: the same each time."""
    standing, allowed, (generation, version, key_id, _), token_id, ttl, now = prepared
    grant = standing.grant
    refresh_token = services.codec.make(REFRESH, grant.id, generation, version, key_id) if grant.refreshable else None
    access_token = services.access_tokens.issue(standing, allowed, token_id=token_id, now=now, ttl=ttl)
    return TokenAnswer(access_token, ttl, refresh_token, allowed.scope, as_text(grant.id))
