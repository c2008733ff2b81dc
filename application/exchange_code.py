"""Exchanging an authorization code for tokens (OAuth 2.1 4.1.3); a second exchange ends the grant (RFC 9700 4.5)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from application.counting import count
from application.issuing import Asked, TokenAnswer, TokenRefused, answer, context_of, prepare, refusal, refused_client, unknown_token
from application.known_access import Known
from application.ports import Conflict
from application.retrying import until_settled
from application.rollback_alarm import suspect_rollback
from application.services import Origin, Services
from domain.access import Standing
from domain.grant import CodeReplayed, Exchanged, ExchangeOutcome, Invalid
from domain.tokens import CODE, Token

NOT_VALID = "The code is not valid."


def exchange_code(
    services: Services, account_id: str, *, client_id: str, code: str, code_verifier: str, redirect_uri: str | None, asked: Asked, origin: Origin
) -> TokenAnswer:  # fmt: skip
    """The tokens; `TokenRefused` otherwise. A replay that is otherwise valid is recorded before it is refused."""
    try:
        token = services.codec.read(code)
        if token is None or token.kind != CODE:
            raise unknown_token(services, account_id, client_id, NOT_VALID)
        answered = _exchanged(_Request(services, account_id, client_id, token, code_verifier, redirect_uri, asked, origin))
    except TokenRefused as error:
        count("code_exchanges", "refused", error.reason)
        raise
    count("code_exchanges", "exchanged", "")
    return answered


class _Request(NamedTuple):
    """What the client sent, its code read."""

    services: Services
    account_id: str
    client_id: str
    token: Token
    code_verifier: str
    redirect_uri: str | None
    asked: Asked
    origin: Origin


def _exchanged(request: _Request) -> TokenAnswer:
    answered = _at_once(request)
    if answered is not None:
        return answered
    result = until_settled(lambda: _decide(request))
    if isinstance(result, TokenRefused):
        raise result
    return result


def _at_once(request: _Request) -> TokenAnswer | None:
    """Exchange on what is at hand, without asking whether anything is newer; None wherever that can't be decided so.

    The append's condition checks all that the cached state can't know.
    """
    services = request.services
    standing, now = services.store.standing_at_hand(request.token.grant_id), services.clock()
    if standing is None or standing.outdated or standing.grant.account_id != request.account_id:
        return None
    known = services.known_access.of(standing)
    if not isinstance(_judged(request, standing, now), Exchanged) or known.ended(standing.grant, now):
        return None
    try:
        return _issue(request, standing, known, now)
    except (Conflict, TokenRefused):
        return None


def _decide(request: _Request) -> TokenAnswer | TokenRefused:
    """One try on the newest state; `Conflict` if something newer came in between."""
    services, token, account_id = request.services, request.token, request.account_id
    standing, now = services.store.standing(token.grant_id), services.clock()
    if standing is None:
        suspect_rollback(services, account_id, token, request.origin)
    if standing is None or standing.grant.account_id != account_id or standing.grant.client_id != request.client_id:
        return unknown_token(services, account_id, request.client_id, NOT_VALID)
    refused = refused_client(standing.client, standing.account)
    if refused:
        return refused
    known = services.known_access.of(standing)
    why = known.ended(standing.grant, now)
    match _judged(request, standing, now):
        case Invalid(reason=reason):
            return TokenRefused("invalid_grant", reason, reason=why or "")
        case CodeReplayed():
            return _replayed(services, standing, request.origin)
        case Exchanged():
            return refusal(why) if why else _issue(request, standing, known, now)


def _judged(request: _Request, standing: Standing, now: datetime) -> ExchangeOutcome:
    return standing.grant.exchange(
        request.token,
        client_id=request.client_id,
        code_verifier=request.code_verifier,
        redirect_uri=request.redirect_uri,
        now=now,
        policy=standing.account.session_policy,
    )


def _issue(request: _Request, standing: Standing, known: Known, now: datetime) -> TokenAnswer:
    services, head = request.services, standing.grant.version
    prepared = prepare(services, standing, known, request.asked, request.origin, now)
    if not services.store.append_rotation(standing.grant, standing, head=head):
        raise Conflict
    return answer(services, prepared)


def _replayed(services: Services, standing: Standing, origin: Origin) -> TokenRefused:
    """Recorded whatever else ended the grant meanwhile, and before it is refused."""
    grant = standing.grant.copy()
    grant.detect_code_replay(context_of(services, grant, origin))
    services.store.append_ending([grant])
    return TokenRefused("invalid_grant", "The code was used before; the session has ended.", reason="replay_found")
