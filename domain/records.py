"""What rules an account's record: legal holds on what may be erased, and how long addresses, user agents and reasons can be read."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from domain.base import Context, Personal, PersonalField, RecordedAnyTime, Stream, topic
from domain.errors import InvalidInput, NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

FEWEST_MONTHS, MOST_MONTHS = 3, 120


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold that stands. `member_id` None: on everybody of the account. `matter` is sealed for the event of version `version`."""

    hold_id: str
    member_id: str | None
    matter: PersonalField
    by: str | None
    placed_at: datetime
    version: int


@topic("records")
class Records(Stream):
    """State: the holds that stand by id, and after how many months data keys are destroyed (None: never)."""

    TOPIC: ClassVar[str]

    def __init__(self) -> None:
        self.holds: Mapping[str, Hold] = MappingProxyType({})
        self.months: int | None = None

    class Event(RecordedAnyTime):
        STREAM = "records"

    @topic("ledger.hold_placed")
    class HoldPlaced(Event):
        """`scope`: member (then `member_id` says whom) or account. `matter`: why, sealed under that member, else under the account."""

        hold_id: str
        scope: str
        member_id: str | None
        matter: PersonalField

        def apply(self, aggregate: Records) -> None:
            hold = Hold(self.hold_id, self.member_id, self.matter, self.actor_id, self.timestamp, self.originator_version)
            aggregate.holds = MappingProxyType({**aggregate.holds, self.hold_id: hold})

    @topic("ledger.hold_released")
    class HoldReleased(Event):
        hold_id: str
        member_id: str | None

        def apply(self, aggregate: Records) -> None:
            aggregate.holds = MappingProxyType({k: v for k, v in aggregate.holds.items() if k != self.hold_id})

    @topic("ledger.retention_changed")
    class RetentionChanged(Event):
        """Data keys are destroyed when the quarter (or day) that they are of ended `months` ago; None: never."""

        months: int | None

        def apply(self, aggregate: Records) -> None:
            aggregate.months = self.months

    @topic("ledger.keys_expired")
    class KeysExpired(Event):
        """Data keys of quarters and days that ended before `before` are destroyed: how many, of how many people and days."""

        before: str
        keys: int
        subjects: int

    def holding(self, member_id: str) -> tuple[Hold, ...]:
        """The holds that keep this member's data."""
        return tuple(hold for hold in self.holds.values() if hold.member_id in (None, member_id))

    @property
    def holds_everybody(self) -> bool:
        return any(hold.member_id is None for hold in self.holds.values())

    def place_hold(self, hold_id: str, member_id: str | None, matter: str, context: Context) -> None:
        words = " ".join(matter.split())
        if not 1 <= len(words) <= 200:
            raise InvalidInput("Say which matter the hold is for, in 1 to 200 characters.", field="matter")
        sealed = Personal(member_id or f"account:{context.account_id}", words)
        self.record(self.HoldPlaced, context, hold_id=hold_id, scope="member" if member_id else "account", member_id=member_id, matter=sealed)

    def release_hold(self, hold_id: str, context: Context) -> None:
        hold = self.holds.get(hold_id)
        if hold is None:
            raise NotFound("No hold of this id stands.")
        self.record(self.HoldReleased, context, hold_id=hold_id, member_id=hold.member_id)

    def change_retention(self, months: int | None, context: Context) -> None:
        if months is not None and not FEWEST_MONTHS <= months <= MOST_MONTHS:
            raise InvalidInput(f"Addresses and user agents are kept for {FEWEST_MONTHS} to {MOST_MONTHS} months, or for ever.", field="months")
        if months != self.months:
            self.record(self.RetentionChanged, context, months=months)

    def keys_expired(self, context: Context, **facts: Any) -> None:
        """Facts: those of `KeysExpired`."""
        self.record(self.KeysExpired, context, **facts)

    def must_not_hold(self, member_id: str) -> None:
        """`Refused` while a hold keeps this member's data (GDPR Art. 18: processing is restricted, not ended)."""
        holding = self.holding(member_id)
        if holding:
            ids = ", ".join(hold.hold_id for hold in holding)
            raise Refused(f"Restricted: a legal hold keeps this person's data ({ids}). Release it first, or answer that the data is restricted.")
