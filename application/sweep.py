"""What time alone brings: expired grants noted for the views, unused registrations reaped, keys moved on, floods of failed sign-ins counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol
from uuid import UUID

from application import rotate_keys
from application.decide_app import forget_registration
from application.lookups import account_of
from application.ports import Busy, Conflict
from application.services import Origin, Services
from application.sign_in import EACH_RECORDED, MINUTE, failures_bucket, window_of
from domain.access import Standing
from domain.client import Client
from domain.grant import Grant
from domain.sign_in import SignIn

SYSTEM = Origin("system")
_BATCH = 200
_FLOOD_MINUTES = 3
_REMEMBERED = 10_000
_PRUNE_EVERY = timedelta(hours=1)

Which = Literal["idle", "absolute", "code"]


class Candidates(Protocol):
    """What the views hold to be due. They may lag: the write side decides about each."""

    def expired_grants(self, account_id: str, now: datetime, limit: int) -> Iterable[str]: ...
    def unused_clients(self, account_id: str, registered_before: datetime, limit: int) -> Iterable[str]: ...


@dataclass(slots=True)
class Swept:
    """What this process has dealt with, so that a lagging view doesn't bring it twice."""

    grants: dict[str, None] = field(default_factory=dict)
    floods: dict[tuple[str, datetime], None] = field(default_factory=dict)
    pruned_at: datetime | None = None


def sweep(services: Services, account_id: str, candidates: Candidates, swept: Swept) -> int:
    """One round for an account; how many events it recorded. A conflict leaves the candidate to the next round."""
    now, account = services.clock(), account_of(services, account_id)
    recorded = rotate_keys.advance(services, account_id, account.session_policy, SYSTEM)
    recorded += sum(_expire(services, account_id, grant_id, now, swept) for grant_id in candidates.expired_grants(account_id, now, _BATCH))
    days = account.registration_policy.reap_unused_after_days
    if days:
        unused = candidates.unused_clients(account_id, now - timedelta(days=days), _BATCH)
        recorded += sum(_reap(services, account_id, stream_id) for stream_id in unused)
    if swept.pruned_at is None or now - swept.pruned_at > _PRUNE_EVERY:
        services.store.tables().prune(now)
        swept.pruned_at = now
    return recorded + _count_floods(services, account_id, now, swept)


def _expire(services: Services, account_id: str, grant_id: str, now: datetime, swept: Swept) -> bool:
    """Note that a grant is over by time. It never decides: what is due was refused before."""
    if grant_id in swept.grants:
        return False
    standing = services.store.standing(UUID(grant_id))
    which = None if standing is None or standing.grant.account_id != account_id else _over(standing, now)
    if standing is None or which is None:
        return False
    grant = standing.grant.copy()
    grant.record(Grant.Expired, services.context(account_id, SYSTEM, client_stream=grant.for_client), which=which)
    try:
        services.store.append([grant])
    except (Conflict, Busy):
        return False
    swept.grants[grant_id] = None
    _trim(swept.grants)
    return True


def _over(standing: Standing, now: datetime) -> Which | None:
    grant, policy = standing.grant, standing.account.session_policy
    if grant.ended:
        return None
    if now >= grant.absolute_expiry(policy):
        return "absolute"
    if not grant.exchanged:
        code_life = min(policy.code_ttl, grant.lifetimes.get("code_ttl", policy.code_ttl))
        return "code" if now - grant.created_on > timedelta(seconds=code_life) else None
    if grant.refreshable:
        return "idle" if now >= grant.idle_expiry(policy) else None
    # Without a refresh token the session is over with its one access token.
    issued_at = grant.issued.at if grant.issued else grant.created_on
    return "absolute" if now >= issued_at + timedelta(seconds=grant.access_token_ttl(policy)) else None


def _reap(services: Services, account_id: str, stream_id: str) -> bool:
    """Remove a dynamic registration that nobody used; the client is told to register again if it ever comes back."""
    client = services.store.load(Client, UUID(stream_id))
    if client is None or client.account_id != account_id or not client.exists or client.registration != "dynamic":
        return False
    leaving = client.copy()
    leaving.remove("unused", services.context(account_id, SYSTEM))
    try:
        services.store.append_ending([leaving], also=lambda t: forget_registration(t, leaving))
    except (Conflict, Busy):
        return False
    return True


def _count_floods(services: Services, account_id: str, now: datetime, swept: Swept) -> int:
    """One counted event for the failed sign-ins of a past minute that were too many to record one by one."""
    tables, bucket, recorded = services.store.tables(), failures_bucket(account_id), 0
    for back in range(1, _FLOOD_MINUTES + 1):
        minute = window_of(now, MINUTE) - back * MINUTE
        if (account_id, minute) in swept.floods:
            continue
        over = tables.count(bucket, minute, 0) - EACH_RECORDED
        # Whoever counts first records; another leader finds 2.
        if over > 0 and tables.count(f"{bucket}:told", minute) == 1:
            context = services.context(account_id, SYSTEM)
            flood = SignIn.blank(services.new_id(), context)
            flood.fail(context, method="password", member_id=None, login_key=None, reason="flood", count=over)
            services.store.append([flood])
            recorded += 1
        swept.floods[account_id, minute] = None
        _trim(swept.floods)
    return recorded


def _trim(remembered: dict[Any, None]) -> None:
    while len(remembered) > _REMEMBERED:
        del remembered[next(iter(remembered))]
