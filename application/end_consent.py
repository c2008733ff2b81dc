"""A member's consent taken back, in whole or in part, by the member or by an admin."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from application.lookups import as_uuid, change, member_of, stream_of
from application.ports import Recorded
from application.services import Origin, Services
from domain.base import Context
from domain.consent import Consent
from domain.errors import NotFound
from domain.extent import Projects

_MISSING = "There is no such consent."


def withdraw(services: Services, account_id: str, consent_id: str, *, actor_id: str, origin: Origin, reason: str | None = None) -> Recorded | None:
    """End the consent and, for good, every grant under it; only the member's own, unless the actor may manage the account."""
    return _end(services, account_id, consent_id, actor_id, origin, lambda consent, context: consent.withdraw(context, reason))


def narrow(
    services: Services, account_id: str, consent_id: str, *, scopes: Sequence[str], projects: Projects, actor_id: str, origin: Origin
) -> Recorded | None:
    """Keep only these scopes and projects, felt by the next request of every grant; None if that is what is left already."""
    return _end(services, account_id, consent_id, actor_id, origin, lambda consent, context: consent.narrow(tuple(scopes), projects, context))


def _end(
    services: Services, account_id: str, consent_id: str, actor_id: str, origin: Origin, record: Callable[[Consent, Context], None]
) -> Recorded | None:
    def decide(consent: Consent) -> None:
        if consent.member_id != actor_id and not member_of(services, account_id, actor_id).holds("account.manage"):
            raise NotFound(_MISSING)
        record(consent, services.context(account_id, origin, actor_id=actor_id, client_stream=consent.for_client))

    return change(services, lambda: stream_of(services, Consent, as_uuid(consent_id), account_id, missing=_MISSING), decide, ending=True)
