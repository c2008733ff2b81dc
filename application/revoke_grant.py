"""A grant revoked by its member, an admin, its client or the system."""

from __future__ import annotations

from application.lookups import as_uuid, change, stream_of
from application.ports import Recorded
from application.services import Origin, Services
from domain.errors import NotFound
from domain.grant import REVOKERS, Grant

_MISSING = "There is no such session."


def revoke(
    services: Services, account_id: str, grant_id: str, *, by: REVOKERS, actor_id: str | None, origin: Origin, reason: str | None = None
) -> Recorded | None:
    """End the grant; `by="member"` takes the actor's own only. None if it had ended. Answers after the revocation barrier."""

    def decide(grant: Grant) -> None:
        if by == "member" and grant.member_id != actor_id:
            raise NotFound(_MISSING)
        grant.revoke(by, services.context(account_id, origin, actor_id=actor_id, client_stream=grant.for_client), reason)

    return change(services, lambda: stream_of(services, Grant, as_uuid(grant_id), account_id, missing=_MISSING), decide, ending=True)
