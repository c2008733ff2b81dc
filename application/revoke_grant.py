"""Grants revoked by their member, an admin, their client or the system."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from application.lookups import as_uuid, change, stream_of
from application.ports import Recorded
from application.retrying import until_settled
from application.services import Origin, Services
from domain.base import Stream
from domain.errors import NotFound
from domain.grant import REVOKERS, Grant

_MISSING = "There is no such session."
_AT_ONCE = 50
"""Grants that one commit ends: fewer commits than grants, and a refresh in between makes only so many to be tried again."""


def revoke(
    services: Services, account_id: str, grant_id: str, *, by: REVOKERS, actor_id: str | None, origin: Origin, reason: str | None = None
) -> Recorded | None:
    """End the grant; `by="member"` takes the actor's own only. None if it had ended. Answers after the revocation barrier."""

    def decide(grant: Grant) -> None:
        if by == "member" and grant.member_id != actor_id:
            raise NotFound(_MISSING)
        grant.revoke(by, services.context(account_id, origin, actor_id=actor_id, client_stream=grant.for_client), reason)

    return change(services, lambda: stream_of(services, Grant, as_uuid(grant_id), account_id, missing=_MISSING), decide, ending=True)


def revoke_several(
    services: Services, account_id: str, grant_ids: Sequence[str], *, actor_id: str, origin: Origin, reason: str | None = None
) -> tuple[int, Recorded | None]:
    """End several as an admin: how many had not ended before, and the last of the events. What is no grant of this account is left out."""
    wanted: list[tuple[type[Stream], UUID]] = [(Grant, found) for found in dict.fromkeys(map(as_uuid, grant_ids)) if found]

    def end(chunk: Sequence[tuple[type[Stream], UUID]]) -> tuple[int, Recorded | None]:
        grants = [grant.copy() for grant in services.store.load_many(chunk) if grant is not None and grant.account_id == account_id]
        for grant in grants:
            grant.revoke("admin", services.context(account_id, origin, actor_id=actor_id, client_stream=grant.for_client), reason)
        living = [grant for grant in grants if grant.pending_events]
        return len(living), services.store.append_ending(living) if living else None

    ended, last = 0, None
    for start in range(0, len(wanted), _AT_ONCE):
        count, recorded = until_settled(partial(end, wanted[start : start + _AT_ONCE]))
        ended, last = ended + count, recorded or last
    return ended, last
