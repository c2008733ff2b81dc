"""Refreshing (OAuth 2.1 4.3): rotation on every use, the same successor within the grace, the end of the grant on reuse."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import NamedTuple

from application.counting import count
from application.issuing import (
    Asked,
    Prepared,
    TokenAnswer,
    TokenRefused,
    answer,
    context_of,
    effective,
    prepare,
    refusal,
    refused_client,
    unknown_token,
)
from application.known_access import Known
from application.ports import Busy
from application.retrying import until_settled
from application.rollback_alarm import suspect_rollback
from application.services import Origin, Services
from domain.access import Standing
from domain.grant import FLAGGED_STREAK, Grant, Invalid, Replayed, ReuseDetected, Rotated
from domain.tokens import REFRESH, Token

log = logging.getLogger(__name__)
NOT_VALID = "The refresh token is not valid."


class _Request(NamedTuple):
    """What the client sent, its token read."""

    services: Services
    account_id: str
    client_id: str
    token: Token
    asked: Asked
    origin: Origin


def refresh_tokens(services: Services, account_id: str, *, client_id: str, refresh_token: str, asked: Asked, origin: Origin) -> TokenAnswer:
    """The next tokens; `TokenRefused` otherwise. Reuse of a spent token is recorded before it is refused."""
    try:
        return _refreshed(services, account_id, client_id, refresh_token, asked, origin)
    except TokenRefused as error:
        count("refreshes", "refused", error.reason)
        raise


def _refreshed(services: Services, account_id: str, client_id: str, refresh_token: str, asked: Asked, origin: Origin) -> TokenAnswer:
    token = services.codec.read(refresh_token)
    if token is None or token.kind != REFRESH:
        raise unknown_token(services, account_id, client_id, NOT_VALID)
    request = _Request(services, account_id, client_id, token, asked, origin)
    quick = _at_once(request)
    if quick is not None:
        return quick
    try:
        result = until_settled(lambda: _decide(request, quietly=False))
    except Busy:
        result = _decide(request, quietly=True)
    if isinstance(result, TokenRefused):
        raise result
    return result


def _at_once(request: _Request) -> TokenAnswer | None:
    """Rotate by one conditional append, without a read; None wherever that can't be decided so.

    A genuine token proves that its event stands on the grant; the append's condition checks all that the cached state can't know.
    """
    services = request.services
    cached, now = services.store.cached_standing(request.token.grant_id), services.clock()
    if cached is None or cached.grant.account_id != request.account_id:
        return None
    grant = _rotating(request, cached, now)
    if grant is None:
        return None
    standing = cached if grant is cached.grant else Standing(grant, *cached[1:])
    known, head = services.known_access.of(standing), grant.version
    if known.ended(grant, now):
        return None
    try:
        prepared = prepare(services, standing, known, request.asked, request.origin, now)
    except TokenRefused:
        return None
    if not services.store.append_rotation(grant, cached, head=head):
        return None
    count("refreshes", "rotated", "")
    return answer(services, prepared)


def _rotating(request: _Request, cached: Standing, now: datetime) -> Grant | None:
    """The grant's newest state as far as cache and token tell, if the token is its live one.

    Beside an older key, a MAC alone does not prove which event issued the token.
    """
    token, client_id, policy = request.token, request.client_id, cached.account.session_policy
    if isinstance(cached.grant.refresh(token, client_id=client_id, now=now, policy=policy), Rotated):
        return cached.grant
    head = cached.grant.predicted(token) if request.services.codec.single_key else None
    rotates = head is not None and isinstance(head.refresh(token, client_id=client_id, now=now, policy=policy), Rotated)
    return head if rotates else None


def _decide(request: _Request, *, quietly: bool) -> TokenAnswer | TokenRefused:
    """One try on the newest state; `Conflict` if something newer came in between. `quietly`: only what needs no append, else `Busy`."""
    services, token = request.services, request.token
    standing, now = services.store.standing(token.grant_id), services.clock()
    if standing is None or standing.grant.account_id != request.account_id or standing.grant.client_id != request.client_id:
        return _not_this_clients(request, standing)
    known = services.known_access.of(standing)
    why = known.ended(standing.grant, now)
    outcome = standing.grant.refresh(token, client_id=request.client_id, now=now, policy=standing.account.session_policy)
    if isinstance(outcome, Invalid) and outcome.alarm:
        suspect_rollback(services, request.account_id, token, request.origin)
    refused = refused_client(standing.client, standing.account)
    if refused is None and why and not isinstance(outcome, Invalid):
        refused = refusal(why)
    if refused:
        return refused
    match outcome:
        case Invalid(reason=reason):
            return TokenRefused("invalid_grant", reason, reason=why or "")
        case Replayed():
            return _replayed(request, standing, known, outcome, quietly=quietly)
        case ReuseDetected() | Rotated() if quietly:
            raise Busy
        case ReuseDetected():
            return _reused(request, standing)
        case Rotated():
            return _rotate(request, standing, known, now)


def _not_this_clients(request: _Request, standing: Standing | None) -> TokenRefused:
    if standing is None:
        suspect_rollback(request.services, request.account_id, request.token, request.origin)
    return unknown_token(request.services, request.account_id, request.client_id, NOT_VALID)


def _rotate(request: _Request, standing: Standing, known: Known, now: datetime) -> TokenAnswer:
    prepared = prepare(request.services, standing, known, request.asked, request.origin, now)
    request.services.store.append([standing.grant], judged=prepared.judged)
    count("refreshes", "rotated", "")
    return answer(request.services, prepared)


def _replayed(request: _Request, standing: Standing, known: Known, outcome: Replayed, *, quietly: bool) -> TokenAnswer:
    """The same successor again, with a new access token. The first replay of a generation is recorded, unless others keep getting in between."""
    services, context = request.services, context_of(request.services, standing.grant, request.origin)
    prepared = Prepared(
        standing=standing,
        allowed=effective(services, standing, known, request.asked),
        issue=outcome.successor,
        token_id=services.new_token_id(),
        ttl=known.terms.lifetime(context.now),
        now=context.now,
    )
    if outcome.recorded and not quietly:
        streak = standing.grant.note_replay(context, prepared.token_id)
        services.store.append([standing.grant], judged=prepared.judged)
        if streak >= FLAGGED_STREAK:
            log.warning("grant %s: %d generations running were refreshed twice", standing.grant.id, streak)
    count("refreshes", "replayed", "")
    return answer(services, prepared)


def _reused(request: _Request, standing: Standing) -> TokenRefused:
    grant = standing.grant.copy()
    grant.detect_reuse(request.token, context_of(request.services, grant, request.origin))
    request.services.store.append_ending([grant])
    return TokenRefused("invalid_grant", "The refresh token was used before; the session has ended.", reason="reuse_found")
