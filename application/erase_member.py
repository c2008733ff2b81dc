"""Erases a person: the event first, then every data key, login and session of theirs, and what the pages show of them, in one transaction."""

from __future__ import annotations

import re
from uuid import UUID

from application.last_admin import take_access
from application.lookups import member_of
from application.manage_members import Decision
from application.ports import Conflict, Recorded, Tables
from application.services import Origin, Services
from domain.errors import InvalidInput
from domain.ids import records_stream
from domain.member import Member
from domain.records import Records

_REQUEST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/#:-]{0,63}\Z")


def records_of(services: Services, account_id: str) -> Records:
    """Holds and retention of the account, as they stand now."""
    stream = records_stream(account_id)
    found = services.store.load(Records, stream)
    return found.copy() if found else Records.blank(stream, services.context(account_id, Origin("system")))


def erasure(services: Services, account_id: str, *, origin: Origin, request: str | None = None, actor_id: str | None = None) -> Decision:
    """What erasing a member is, to be carried out or only foreseen; `Refused` while a legal hold keeps their data."""
    reference = _reference(request)

    def decide(member: Member) -> None:
        if not member.erased:
            records_of(services, account_id).must_not_hold(str(member.id))
            kids = services.store.tables().subject_kids(str(member.id))
            member.erase(kids, reference, services.context(account_id, origin, actor_id=actor_id))

    return decide


def erase(
    services: Services, account_id: str, member_id: UUID, *, origin: Origin, request: str | None = None, actor_id: str | None = None
) -> Recorded | None:
    """Erase a member for good; None if they were erased before. Answers when nothing is issued for them any more.

    `request` refers to what was asked (such as a ticket) and holds nothing personal. `Refused` for the only admin, and under a legal hold.
    """
    held: list[Records] = []

    def decide(member: Member) -> None:
        held[:] = [records_of(services, account_id)]
        erasure(services, account_id, origin=origin, request=request, actor_id=actor_id)(member)

    def beside(tables: Tables) -> None:
        (records,) = held
        # A hold that is placed at this very moment takes turns with us; whoever is second sees the other.
        if not tables.still_at(account_id, records.id, records.version):
            raise Conflict
        tables.erase_member(account_id, str(member_id), said)

    said = _said(services, account_id, member_id)
    return take_access(services, account_id, member_id, decide, actor_id=actor_id, also=beside)


def _said(services: Services, account_id: str, member_id: UUID) -> tuple[str, ...]:
    """Name and address, to be looked for where only whole texts are kept."""
    member = member_of(services, account_id, member_id)
    event_id = f"{member.id}:{member.profile_version}"
    found = (services.store.opened(value, event_id) for value in (member.name, member.email))
    return tuple(text for text in found if text)


def _reference(request: str | None) -> str | None:
    text = (request or "").strip()
    if text and not _REQUEST.match(text):
        raise InvalidInput(
            "A reference has up to 64 letters, digits and . _ / # : - and names nobody: it stays for ever. Give the ticket's number.", field="request"
        )
    return text or None
