"""What a restored copy of the database says about itself once it was taken over, and the end of the sessions that came back with it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from application.ports import Recorded
from application.retrying import until_settled
from application.services import Origin, Services
from domain.base import Stream
from domain.grant import Grant
from domain.ids import ledger_stream
from domain.ledger import Ledger

_AT_ONCE = 50


def record_adoption(services: Services, account_id: str, facts: dict[str, Any], origin: Origin) -> Recorded | None:
    """One `ledger.adopted` for each number; facts are the event's. None if it was recorded before."""

    def attempt() -> Recorded | None:
        context, stream = services.context(account_id, origin), ledger_stream(account_id)
        kept = services.store.load(Ledger, stream)
        ledger = kept.copy() if kept else Ledger.blank(stream, context)
        ledger.take_over(context, **facts)
        return services.store.append([ledger]) if ledger.pending_events else None

    return until_settled(attempt)


def end_sessions(services: Services, account_id: str, grant_ids: Sequence[str], origin: Origin) -> int:
    """End these grants in the system's name; how many had not ended. Nobody is decided for yet, so no decision is waited for."""
    wanted: list[tuple[type[Stream], UUID]] = [(Grant, UUID(grant_id)) for grant_id in grant_ids]
    return sum(until_settled(partial(_end, services, account_id, wanted[at : at + _AT_ONCE], origin)) for at in range(0, len(wanted), _AT_ONCE))


def _end(services: Services, account_id: str, wanted: Sequence[tuple[type[Stream], UUID]], origin: Origin) -> int:
    grants = [grant.copy() for grant in services.store.load_many(wanted) if grant is not None]
    for grant in grants:
        grant.revoke("system", services.context(account_id, origin, client_stream=grant.for_client))
    living = [grant for grant in grants if grant.pending_events]
    if living:
        services.store.append(living)
    return len(living)
