"""Sessions in the past: how each ended, and when the last token of it could no longer be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.access import Standing, expired, why_ended
from domain.account import Account
from domain.client import Client
from domain.consent import Consent
from domain.grant import Grant
from domain.member import Member
from infrastructure.past.answers import Past, Told
from infrastructure.past.changes import endings
from infrastructure.past.moments import Moment
from infrastructure.past.states import States

ISSUING = ("grant.code_exchanged", "grant.tokens_refreshed", "grant.refresh_replayed")


@dataclass(frozen=True, slots=True)
class End:
    """How a session ended; `position` None: time did it. `reason`: what the write side's rule says right after it; `why`: what was typed."""

    at: datetime
    reason: str
    position: int | None
    by: str | None = None
    through: str | None = None
    why: str | None = None


def standing_at(past: Past, grant_id: UUID, position: int) -> Standing | None:
    """The five states that a session was judged on right after an event; None before it began."""
    states = States(past.connection, past.mapper, position)
    states.read([], [grant_id])
    grant = states.get(Grant, grant_id)
    if grant is None or grant.account_id != past.account_id:
        return None
    account, consent, client, member = UUID(past.account_id), UUID(grant.consent_id), UUID(grant.for_client), UUID(grant.member_id)
    states.read([account, consent, client, member])
    return complete(grant, states.get(Consent, consent), states.get(Client, client), states.get(Member, member), states.get(Account, account))


def complete(grant: Grant | None, consent: Consent | None, client: Client | None, member: Member | None, account: Account | None) -> Standing | None:
    """The five together, or None where one is missing."""
    if grant is None or consent is None or client is None or member is None or account is None:
        return None
    return Standing(grant, consent, client, member, account)


def end_of(past: Past, grant_id: str, now: Moment) -> End | None:
    """How a session ended, up to a moment; None while it lives. A view says where to look; the rule over the rebuilt states says whether it is so."""
    ending = endings(past.connection, past.account_id, [grant_id]).get(grant_id)
    if ending is not None and ending.position is not None and ending.position <= now.position:
        return _by_event(past, grant_id, ending.position)
    standing = standing_at(past, UUID(grant_id), now.position)
    reason = None if standing is None else expired(standing, now.at)
    if standing is None or reason is None:
        return None
    grant, policy = standing.grant, standing.account.session_policy
    return End(grant.absolute_expiry(policy) if reason == "absolute" else grant.idle_expiry(policy), reason, None)


def _by_event(past: Past, grant_id: str, position: int) -> End | None:
    standing, (told,) = standing_at(past, UUID(grant_id), position), past.at([position])
    reason = None if standing is None else why_ended(standing, told.at)
    if reason is None:
        return None
    event: Any = told.event
    return End(told.at, reason, position, event.actor_id, event.source, past.opened(getattr(event, "reason", None), told))


def issued(past: Past, grant_id: str, now: Moment) -> list[Told]:
    """Every event that gave an access token."""
    return list(past.events([UUID(grant_id)], now.position, ISSUING))


def last_expiry(standing: Standing, tokens: Sequence[Told], end: End | None) -> datetime | None:
    """When the last access token that was given before the end had died by itself, at the latest; None if none was given.

    A predecessor that comes again in its grace gets a token each time and only the first is recorded, so the whole grace counts.
    """
    policy, found = standing.account.session_policy, None
    rotated: dict[int, datetime] = {}
    for told in tokens:
        if end is not None and end.position is not None and told.position > end.position:
            break
        event: Any = told.event
        if told.topic == "grant.refresh_replayed":
            given = max(told.at, rotated.get(event.generation, told.at) + timedelta(seconds=policy.refresh_grace))
            dies = (given if end is None else min(given, end.at)) + timedelta(seconds=standing.grant.access_token_ttl(policy))
        else:
            rotated[event.generation] = told.at
            dies = told.at + timedelta(seconds=event.access_token_ttl)
        found = dies if found is None else max(found, dies)
    return found
