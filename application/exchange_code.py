"""Exchanging an authorization code for tokens (OAuth 2.1 4.1.3); a second exchange ends the grant (RFC 9700 4.5)."""

from __future__ import annotations

from datetime import datetime

from application.counting import count
from application.issuing import Asked, TokenAnswer, TokenRefused, answer, context_of, prepare, refusal, refused_client, unknown_token
from application.known_access import Known
from application.ports import Conflict
from application.retrying import until_settled
from application.rollback_alarm import suspect_rollback
from application.services import Origin, Services
from domain.access import Standing
from domain.grant import CodeReplayed, Exchanged, Invalid
from domain.tokens import CODE

NOT_VALID = "The code is not valid."


def exchange_code(
    services: Services, account_id: str, *, client_id: str, code: str, code_verifier: str, redirect_uri: str | None, asked: Asked, origin: Origin
) -> TokenAnswer:  # fmt: skip
    """The tokens; `TokenRefused` otherwise. A replay that is otherwise valid is recorded before it is refused."""
    try:
        answered = _exchanged(services, account_id, client_id, code, code_verifier, redirect_uri, asked, origin)
    except TokenRefused as error:
        count("code_exchanges", "refused", error.reason)
        raise
    count("code_exchanges", "exchanged", "")
    return answered


def _exchanged(
    services: Services, account_id: str, client_id: str, code: str, code_verifier: str, redirect_uri: str | None, asked: Asked, origin: Origin
) -> TokenAnswer:
    token = services.codec.read(code)
    if token is None or token.kind != CODE:
        raise unknown_token(services, account_id, client_id, NOT_VALID)

    def attempt() -> TokenAnswer | TokenRefused:
        standing, now = services.store.standing(token.grant_id), services.clock()
        if standing is None:
            suspect_rollback(services, account_id, token, origin)
        if standing is None or standing.grant.account_id != account_id or standing.grant.client_id != client_id:
            return unknown_token(services, account_id, client_id, NOT_VALID)
        refused = refused_client(standing.client, standing.account)
        if refused:
            return refused
        known = services.known_access.of(standing)
        why = known.ended(standing.grant, now)
        policy = standing.account.session_policy
        outcome = standing.grant.exchange(token, client_id=client_id, code_verifier=code_verifier, redirect_uri=redirect_uri, now=now, policy=policy)
        match outcome:
            case Invalid(reason=reason):
                return TokenRefused("invalid_grant", reason, reason=why or "")
            case CodeReplayed():
                return _replayed(services, standing, origin)
            case Exchanged():
                return refusal(why) if why else _issue(services, standing, known, asked, origin, now)

    result = until_settled(attempt)
    if isinstance(result, TokenRefused):
        raise result
    return result


def _issue(services: Services, standing: Standing, known: Known, asked: Asked, origin: Origin, now: datetime) -> TokenAnswer:
    head = standing.grant.version
    prepared = prepare(services, standing, known, asked, origin, now)
    if not services.store.append_rotation(standing.grant, standing, head=head):
        raise Conflict
    return answer(services, prepared)


def _replayed(services: Services, standing: Standing, origin: Origin) -> TokenRefused:
    """Recorded whatever else ended the grant meanwhile, and before it is refused."""
    grant = standing.grant.copy()
    grant.detect_code_replay(context_of(services, grant, origin))
    services.store.append_ending([grant])
    return TokenRefused("invalid_grant", "The code was used before; the session has ended.", reason="replay_found")
