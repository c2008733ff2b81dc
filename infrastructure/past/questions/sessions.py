"""Sessions in the past: how each ended, and when the last token of it could no longer be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.access import Standing, expired, why_ended
from domain.grant import Grant
from infrastructure.past.answers import Past
from infrastructure.past.changes import endings
from infrastructure.past.moments import Moment
from infrastructure.past.states import Folded, States, standing_of
from infrastructure.store.reader import PositionedEvent


@dataclass(frozen=True, slots=True)
class End:
    """How a session ended; `position` None: time did it. `reason`: what the write side's rule says right after it; `why`: what was typed."""

    at: datetime
    reason: str
    position: int | None
    by: str | None = None
    through: str | None = None
    why: str | None = None


def standings_at(past: Past, grant_ids: Iterable[str], position: int) -> dict[str, Standing]:
    """The five states that each session was judged on right after an event; without those that had not begun, or are another account's."""
    states, wanted = States(past.connection, past.mapper, position), [UUID(grant_id) for grant_id in grant_ids]
    states.read_grants(wanted)
    grants = [grant for grant_id in wanted if (grant := states.get(Grant, grant_id)) is not None and grant.account_id == past.account_id]
    if grants:
        states.read(_judged_on(past, grants))
    found = {str(grant.id): states.standing(grant.id) for grant in grants}
    return {grant_id: standing for grant_id, standing in found.items() if standing is not None}


def ends_of(past: Past, grant_ids: Iterable[str], now: Moment) -> dict[str, End]:
    """How those of these sessions ended that did, up to a moment. A view says where to look; the rule over rebuilt states says whether it is so."""
    wanted = list(grant_ids)
    noted = endings(past.connection, past.account_id, wanted)
    places = {grant_id: end.position for grant_id, end in noted.items() if end.position is not None and end.position <= now.position}
    others = standings_at(past, [grant_id for grant_id in wanted if grant_id not in places], now.position)
    found = _by_events(past, places) | {grant_id: _by_time(standing, now) for grant_id, standing in others.items()}
    return {grant_id: end for grant_id, end in found.items() if end is not None}


def _by_events(past: Past, places: Mapping[str, int]) -> dict[str, End | None]:
    """Each session right after the event that is noted as its end: sessions as they were then, and the streams that they share in one pass."""
    if not places:
        return {}
    told = {one.position: one for one in past.at(places.values())}
    states = States(past.connection, past.mapper, max(places.values()))
    states.read_grants_at(places)
    grants = [grant for grant_id in places if (grant := states.get(Grant, UUID(grant_id))) is not None and grant.account_id == past.account_id]
    ending = sorted(grants, key=lambda grant: places[str(grant.id)])
    events, shared = iter(past.events(_judged_on(past, grants), max(places.values()))), Folded()
    coming, found = next(events, None), dict[str, End | None]()
    for grant in ending:
        place = places[str(grant.id)]
        while coming is not None and coming.position <= place:
            shared.fold(coming.event)
            coming = next(events, None)
        standing = standing_of(grant, shared.get)
        if standing is not None and place in told:
            found[str(grant.id)] = _by_event(past, standing, told[place])
    return found


def _judged_on(past: Past, grants: Iterable[Grant]) -> set[UUID]:
    """The streams that these are judged on, less their own."""
    return {UUID(past.account_id)} | {UUID(stream) for grant in grants for stream in (grant.consent_id, grant.for_client, grant.member_id)}


def _by_time(standing: Standing, now: Moment) -> End | None:
    grant, policy = standing.grant, standing.account.session_policy
    reason = expired(standing, now.at)
    if reason is None:
        return None
    return End(grant.absolute_expiry(policy) if reason == "absolute" else grant.idle_expiry(policy), reason, None)


def _by_event(past: Past, standing: Standing, told: PositionedEvent) -> End | None:
    earlier = _by_time(standing, Moment(told.position, told.at))
    if earlier is not None and earlier.at < told.at:
        return earlier
    reason = why_ended(standing, told.at)
    if reason is None:
        return None
    event: Any = told.event
    return End(told.at, reason, told.position, event.actor_id, event.source, past.opened(getattr(event, "reason", None), told))


def last_expiry(standing: Standing, tokens: Sequence[PositionedEvent], end: End | None) -> datetime | None:
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
