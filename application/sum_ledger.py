"""Sums of an account's events in its own ledger stream, so that an export can be shown to be complete (EVIDENCE.md 1)."""

from __future__ import annotations

from application.ports import Recorded
from application.retrying import until_settled
from application.services import Origin, Services
from domain.ids import ledger_stream
from domain.ledger import NO_SUM, Ledger, Sum

_SEALER = Origin("system")


def recorded_sum(services: Services, account_id: str) -> Sum:
    """The account's last sum."""
    found = services.store.load(Ledger, ledger_stream(account_id))
    return NO_SUM if found is None else found.sum


def record_sum(services: Services, account_id: str, found: Sum) -> Recorded:
    """One `ledger.summed`."""

    def attempt() -> Recorded:
        context, stream = services.context(account_id, _SEALER), ledger_stream(account_id)
        kept = services.store.load(Ledger, stream)
        ledger = kept.copy() if kept else Ledger.blank(stream, context)
        ledger.summed(context, found)
        return services.store.append([ledger])

    return until_settled(attempt)
