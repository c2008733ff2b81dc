"""An account keeps somebody who may manage it: whoever is the last one is neither deactivated nor demoted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

from application.lookups import as_uuid, member_of
from application.ports import Conflict, Recorded, Tables
from application.retrying import until_settled
from application.services import Services
from domain.errors import Refused
from domain.member import Member

MANAGE = "account.manage"
_AT_ONCE = 500


def take_access(
    services: Services,
    account_id: str,
    member_id: str | UUID,
    decide: Callable[[Member], object],
    *,
    actor_id: str | None = None,
    also: Callable[[Tables], None] | None = None,
) -> Recorded | None:
    """Let `decide` record what takes access from a member, and append it as an ending; None where nothing was to change.

    `Refused` where nobody else would be left to manage the account. `also` writes ordinary tables beside it.
    """

    def attempt() -> Recorded | None:
        member = member_of(services, account_id, member_id)
        managed = member.holds(MANAGE)
        decide(member)
        return append_ending(services, member, managed=managed, actor_id=actor_id, also=also) if member.pending_events else None

    return until_settled(attempt)


def append_ending(
    services: Services, member: Member, *, managed: bool, actor_id: str | None = None, also: Callable[[Tables], None] | None = None
) -> Recorded:
    """Append a member's pending events as an ending; `managed` says whether the member held `MANAGE` before them. `Conflict` to try again."""
    other = who_else_manages(services, member, managed=managed, actor_id=actor_id)
    if other is None:
        return services.store.append_ending([member], also=also)
    account_id = member.account_id
    return services.store.append_ending([member], [other], also=lambda tables: _beside(tables, account_id, other, also))


def who_else_manages(services: Services, member: Member, *, managed: bool, actor_id: str | None = None) -> Member | None:
    """Another admin, where this member has just lost `MANAGE`; None where they hold it still or never did. `Refused` where there is nobody."""
    return _other_admin(services, member.account_id, member, actor_id) if managed and not member.holds(MANAGE) else None


def _beside(tables: Tables, account_id: str, other: Member, also: Callable[[Tables], None] | None) -> None:
    """Two admins may end each other at the same moment, unseen by each other's append: so they take turns, and look again."""
    if not tables.still_at(account_id, other.id, other.version):
        raise Conflict
    if also is not None:
        also(tables)


def is_only_admin(services: Services, member: Member, *, actor_id: str | None = None) -> bool:
    """Whether the account would have no admin without this member, who then keeps `MANAGE` and stays active."""
    if not member.holds(MANAGE):
        return False
    try:
        _other_admin(services, member.account_id, member, actor_id)
    except Refused:
        return True
    return False


def _other_admin(services: Services, account_id: str, member: Member, actor_id: str | None) -> Member:
    """Somebody else who may manage the account, from their events."""
    for found in _candidates(services, account_id, None if actor_id == str(member.id) else actor_id):
        if found is not None and found.id != member.id and found.account_id == account_id and found.holds(MANAGE):
            return found
    raise Refused("This person is the only account admin; make somebody else one first.")


def _candidates(services: Services, account_id: str, actor_id: str | None) -> Iterator[Member | None]:
    """Who acts, mostly an admin; then everybody who has a login."""
    actor = as_uuid(actor_id) if actor_id else None
    if actor is not None:
        yield services.store.load(Member, actor)
    ids = services.store.tables().members_with_login(account_id)
    for start in range(0, len(ids), _AT_ONCE):
        yield from services.store.load_many([(Member, UUID(member_id)) for member_id in ids[start : start + _AT_ONCE]])
