"""Records that the audit log was exported: by whom, with which filter, how much."""

from __future__ import annotations

import re
from collections.abc import Mapping

from application.lookups import as_uuid
from application.ports import Recorded
from application.retrying import until_settled
from application.services import Origin, Services
from domain.ids import ledger_stream
from domain.ledger import Ledger

_CLIENT = re.compile(r"app_[0-9a-f]{32}\Z|https://[^@\s]{1,300}\Z")


def record_export(
    services: Services,
    account_id: str,
    *,
    format: str,  # noqa: A002  # the event's own word
    filter: Mapping[str, str],  # noqa: A002
    rows: int,
    position: int,
    whole: bool = True,
    origin: Origin,
    actor_id: str | None = None,
) -> Recorded:
    """One `ledger.audit_exported`: `rows` entries up to `position` were handed out; `whole`: these are all that were asked for."""

    def attempt() -> Recorded:
        context = services.context(account_id, origin, actor_id=actor_id)
        found = services.store.load(Ledger, ledger_stream(account_id))
        ledger = found.copy() if found else Ledger.blank(ledger_stream(account_id), context)
        ledger.audit_exported(context, format=format, filter=_kept(filter), rows=rows, position=position, whole=whole)
        return services.store.append([ledger])

    return until_settled(attempt)


def _kept(filters: Mapping[str, str]) -> dict[str, str]:
    """Events are for ever, and people type names and addresses anywhere: of an app only what can be its id."""
    client = filters.get("client")
    if client is None or _CLIENT.match(client) or as_uuid(client):
        return dict(filters)
    return {**filters, "client": "unknown"}
