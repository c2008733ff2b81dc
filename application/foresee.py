"""What a decision would take from live sessions, before it is taken: judged by the one permission function on states that nobody appends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from application.last_admin import MANAGE, who_else_manages
from application.lookups import account_of, as_uuid
from application.services import Services
from domain.access import Access, Standing, access, why_ended
from domain.account import Account
from domain.member import Member
from domain.scopes import OFFLINE_ACCESS

_NOTHING = Access({})


@dataclass(frozen=True, slots=True)
class Loss:
    """What one live session would lose: `after` is empty where it would end, or could do nothing any more and for good."""

    grant_id: str
    member_id: str
    client_id: str
    client_stream: str
    client_name: str
    before: Access
    after: Access

    @property
    def ends(self) -> bool:
        return not self.after

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that are gone or hold in fewer projects."""
        lost = (s for s, held in self.before.scopes.items() if s not in self.after.scopes or self.after.scopes[s] != held)
        return tuple(s for s in lost if s != OFFLINE_ACCESS)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The losses of those sessions that are live; `judged` says how many there are."""

    judged: int = 0
    losses: tuple[Loss, ...] = ()

    @property
    def ending(self) -> tuple[Loss, ...]:
        return tuple(loss for loss in self.losses if loss.ends)

    @property
    def narrowing(self) -> tuple[Loss, ...]:
        return tuple(loss for loss in self.losses if not loss.ends)


def of_member(
    services: Services, member: Member, decide: Callable[[Member], object], grant_ids: Iterable[str], *, actor_id: str | None = None
) -> Foreseen:
    """What `decide` would take from these sessions of a member as it is now. Where it may not be taken at all, it raises as it would then."""
    account_id, managed, member = member.account_id, member.holds(MANAGE), member.copy()
    decide(member)
    who_else_manages(services, member, managed=managed, actor_id=actor_id)
    return _judge(services, account_id, grant_ids, lambda now: now._replace(member=member) if now.member.id == member.id else now)


def of_account(services: Services, account_id: str, decide: Callable[[Account], object], grant_ids: Iterable[str]) -> Foreseen:
    """The same for a decision of the account, such as removing a project."""
    account = account_of(services, account_id)
    decide(account)
    return _judge(services, account_id, grant_ids, lambda now: now._replace(account=account))


def _judge(services: Services, account_id: str, grant_ids: Iterable[str], then: Callable[[Standing], Standing]) -> Foreseen:
    now, judged, losses = services.clock(), 0, []
    for standing in services.store.standings(list(filter(None, map(as_uuid, grant_ids)))):
        if standing is None or standing.grant.account_id != account_id or why_ended(standing, now):
            continue
        before = access(standing)
        if not before:
            continue
        judged += 1
        altered = then(standing)
        after = _NOTHING if why_ended(altered, now) else access(altered)
        if after.scopes != before.scopes:
            losses.append(_loss(standing, before, after or _NOTHING))
    return Foreseen(judged, tuple(losses))


def _loss(standing: Standing, before: Access, after: Access) -> Loss:
    grant = standing.grant
    return Loss(str(grant.id), grant.member_id, grant.client_id, grant.for_client, standing.client.name, before, after)
