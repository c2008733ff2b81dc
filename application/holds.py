"""Legal holds: while one stands, what it covers is neither erased nor expires."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.erase_member import records_of
from application.lookups import account_of, member_of
from application.ports import Conflict, Recorded, Tables
from application.retrying import until_settled
from application.services import Origin, Services
from domain.errors import Refused
from domain.member import Member
from domain.records import Hold, Records


@dataclass(frozen=True, slots=True)
class Placed:
    """A new hold and what was recorded."""

    hold_id: str
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Standing:
    """A hold that stands, its matter opened (None: its key is gone). `member_id` None: the whole account."""

    hold_id: str
    member_id: str | None
    matter: str | None
    by: str | None
    placed_at: datetime


def place(services: Services, account_id: str, *, member_id: UUID | None, matter: str, origin: Origin, actor_id: str | None = None) -> Placed:
    """Keep a member's data, or without `member_id` everybody's, until the hold is released. `Refused` for somebody erased."""
    hold_id = f"hold_{secrets.token_hex(6)}"

    def attempt() -> Placed:
        member = None if member_id is None else member_of(services, account_id, member_id)
        if member is not None and member.erased:
            raise Refused("This person was erased: nothing is left that a hold could keep.")
        records = records_of(services, account_id)
        records.place_hold(hold_id, str(member_id) if member_id else None, matter, services.context(account_id, origin, actor_id=actor_id))
        return Placed(hold_id, services.store.append([records], also=_taking_turns(services, account_id, member)))

    return until_settled(attempt)


def release(services: Services, account_id: str, hold_id: str, *, origin: Origin, actor_id: str | None = None) -> Recorded:
    """End a hold; `NotFound` if none of this id stands."""

    def attempt() -> Recorded:
        records = records_of(services, account_id)
        records.release_hold(hold_id, services.context(account_id, origin, actor_id=actor_id))
        return services.store.append([records])

    return until_settled(attempt)


def standing(services: Services, account_id: str, member_id: str | None = None) -> list[Standing]:
    """The holds that stand, the oldest first; with `member_id` those that keep this member's data."""
    records = records_of(services, account_id)
    found = records.holding(member_id) if member_id else records.holds.values()
    return [_opened(services, records, hold) for hold in found]


def _opened(services: Services, records: Records, hold: Hold) -> Standing:
    matter = services.store.opened(hold.matter, f"{records.id}:{hold.version}")
    return Standing(hold.hold_id, hold.member_id, matter, hold.by, hold.placed_at)


def _taking_turns(services: Services, account_id: str, member: Member | None) -> Callable[[Tables], None]:
    """An erasure at this very moment takes turns with us; whoever is second sees the other."""
    stream, version = (member.id, member.version) if member else (UUID(account_id), account_of(services, account_id).version)

    def check(tables: Tables) -> None:
        if not tables.still_at(account_id, stream, version):
            raise Conflict

    return check
