"""Retention: data keys of quarters that ended long ago are destroyed, and with them every address, user agent and reason of that time."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from uuid import UUID

from application.erase_member import records_of
from application.lookups import member_of
from application.ports import Recorded
from application.retrying import until_settled
from application.services import Origin, Services
from domain.base import Personal, Sealed

SYSTEM = Origin("system")
_ACCOUNT = "account:"
_DIRECTORY = "scim:"


def change_retention(services: Services, account_id: str, months: int | None, *, origin: Origin, actor_id: str | None = None) -> Recorded | None:
    """Keep addresses, user agents and reasons readable for so many months after their quarter; None: for ever."""

    def attempt() -> Recorded | None:
        records = records_of(services, account_id)
        records.change_retention(months, services.context(account_id, origin, actor_id=actor_id))
        return services.store.append([records]) if records.pending_events else None

    return until_settled(attempt)


def expire(services: Services, account_id: str) -> int:
    """Destroy what is due now; how many keys. Names and addresses of people who are still here are sealed anew first; holds keep what they cover."""

    def attempt() -> int:
        records, now = records_of(services, account_id), services.clock()
        if records.months is None or records.holds_everybody:
            return 0
        before = cutoff(now, records.months)
        due = [(kid, subject) for kid, subject in services.store.tables().keys_before(account_id, before) if not records.holding(subject)]
        for subject in sorted({subject for _, subject in due if not subject.startswith(_ACCOUNT)}):
            _carry_over(services, account_id, UUID(subject), frozenset(kid for kid, _ in due))
        if not due:
            return 0
        kids, subjects = [kid for kid, _ in due], {subject for _, subject in due}
        context = services.context(account_id, SYSTEM)
        records.keys_expired(context, before=before.isoformat(), keys=len(kids), subjects=len(subjects))
        services.store.append([records], also=lambda tables: tables.destroy_keys(kids))
        return len(kids)

    return until_settled(attempt)


def cutoff(now: datetime, months: int) -> date:
    """What ended before this day is due: the first of the month that lies `months` back."""
    month = now.astimezone(UTC).year * 12 + now.astimezone(UTC).month - 1 - months
    return date(month // 12, month % 12 + 1, 1)


def _carry_over(services: Services, account_id: str, member_id: UUID, kids: frozenset[str]) -> None:
    """Seal name, address and directory profile under the key of this quarter, if their key is to go."""
    member = member_of(services, account_id, member_id)
    event_id, sealed = f"{member.id}:{member.profile_version}", (member.name, member.email)
    if not member.erased and any(isinstance(value, Sealed) and value.kid in kids for value in sealed):
        opened = [services.store.opened(value, event_id) for value in sealed]
        name, email = (None if text is None else Personal(str(member.id), text) for text in opened)
        member.change_profile(name, email, services.context(account_id, SYSTEM))
        services.store.append([member])
    tables, subject = services.store.tables(), str(member_id)
    row = tables.directory_user(account_id, subject)
    if row is not None and row.profile.get("kid") in kids:
        text = services.store.opened(Sealed(**row.profile), f"{_DIRECTORY}{subject}")
        if text is not None:
            tables.set_directory_profile(account_id, subject, asdict(services.store.sealed(Personal(subject, text), f"{_DIRECTORY}{subject}")))
