"""What an access token may do now, asked of the write side: for introspection (RFC 7662), the gateway and the API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from application.counting import count
from application.lookups import as_uuid
from application.services import Services
from domain.access import Access, Standing
from domain.account import Account
from domain.scopes import parse_scope

INACTIVE: dict[str, Any] = {"active": False}


@dataclass(frozen=True, slots=True)
class Judged:
    """A live access token: the five states it stands on, what it may do now, and its claims."""

    standing: Standing
    access: Access
    claims: dict[str, Any]


def judge(services: Services, account_id: str, token_text: str, now: datetime) -> Judged | None:
    """The token judged on the newest state; None if it is not genuine, has expired, or its grant gives nothing any more."""
    claims = services.access_tokens.read(token_text, now)
    return None if claims is None else judge_claims(services, account_id, claims, now)


def judge_claims(services: Services, account_id: str, claims: dict[str, Any], now: datetime) -> Judged | None:
    """The same for the claims of a token that was genuine when they were read; whether it has expired since is not asked."""
    standing = _standing(services, claims)
    return None if standing is None else _judged(services, account_id, claims, standing, now)


def _standing(services: Services, claims: dict[str, Any]) -> Standing | None:
    grant_id = as_uuid(claims["grant_id"])
    return None if grant_id is None else services.store.standing(grant_id)


def _judged(services: Services, account_id: str, claims: dict[str, Any], standing: Standing, now: datetime) -> Judged | None:
    grant = standing.grant
    if grant.account_id != account_id or grant.client_id != claims["client_id"] or grant.resource != claims["aud"]:
        return None
    known = services.known_access.of(standing)
    if known.ended(grant, now):
        return None
    held = known.access
    allowed = held if claims["scope"] == held.scope else held.only(parse_scope(claims["scope"]))
    return Judged(standing, allowed, claims) if allowed else None


def introspect(services: Services, account_id: str, token_text: str, caller: Callable[[Account | None], str]) -> dict[str, Any]:
    """The introspection response for the resource that asks; only `active: false` for what is unknown, dead or meant for another.

    `caller` gives the resource's identifier, or refuses: judged on its account as it was read along with the token, None where nothing was read.
    """
    now = services.clock()
    claims = services.access_tokens.read(token_text, now)
    standing = None if claims is None else _standing(services, claims)
    ours = standing is not None and standing.grant.account_id == account_id
    resource_identifier = caller(standing.account if standing is not None and ours else None)
    judged = None if claims is None or standing is None else _judged(services, account_id, claims, standing, now)
    if judged is None or judged.claims["aud"] != resource_identifier:
        count("introspections", "inactive")
        return INACTIVE
    count("introspections", "active")
    claims = judged.claims
    answer = {
        "active": True, "scope": judged.access.scope, "client_id": claims["client_id"], "sub": claims["sub"], "aud": claims["aud"],
        "iss": claims["iss"], "exp": claims["exp"], "iat": claims["iat"], "jti": claims["jti"], "token_type": "Bearer",
        "grant_id": claims["grant_id"],
    }  # fmt: skip
    details = judged.access.details
    return {**answer, "authorization_details": details} if details else answer
