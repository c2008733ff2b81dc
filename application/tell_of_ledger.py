"""What happens to the log itself, recorded in the ledger stream of each account that it concerns: signing stopped or begun anew, deposits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from application.retrying import until_settled
from application.services import Origin, Services
from domain.base import Context
from domain.ids import ledger_stream
from domain.ledger import Ledger

_SEALER = Origin("system")


def sealer_started(services: Services, **facts: Any) -> None:
    """One `ledger.sealer_started` in every account; facts are the event's."""
    _in_each(services, _all(services), lambda ledger, context: ledger.sealer_started(context, **facts))


def sealer_stopped(services: Services, **facts: Any) -> None:
    """One `ledger.sealer_stopped` in every account; facts are the event's."""
    _in_each(services, _all(services), lambda ledger, context: ledger.sealer_stopped(context, **facts))


def checkpoint_deposited(services: Services, account_ids: Iterable[str], **facts: Any) -> None:
    """One `ledger.checkpoint_deposited` in each of these accounts; facts are the event's."""
    _in_each(services, account_ids, lambda ledger, context: ledger.checkpoint_deposited(context, **facts))


def _all(services: Services) -> list[str]:
    return [account_id for account_id, _, _ in services.store.tables().accounts()]


def _in_each(services: Services, account_ids: Iterable[str], tell: Callable[[Ledger, Context], None]) -> None:
    for account_id in account_ids:

        def attempt(account_id: str = account_id) -> None:
            context, stream = services.context(account_id, _SEALER), ledger_stream(account_id)
            kept = services.store.load(Ledger, stream)
            ledger = kept.copy() if kept else Ledger.blank(stream, context)
            tell(ledger, context)
            if ledger.pending_events:
                services.store.append([ledger])

        until_settled(attempt)
