"""A genuine token that was never recorded here: the database was set back, or somebody else holds a secret key."""

from __future__ import annotations

import logging
from datetime import timedelta

from application.counting import count
from application.ports import Busy, Recorded
from application.retrying import until_settled
from application.services import Origin, Services
from application.sign_in_limits import window_of
from domain.ids import ledger_stream
from domain.ledger import Ledger
from domain.tokens import CODE, Token

ALARM = "ledger.rollback_suspected"
"""The key of `store_meta` under which the time of the newest alarm stands (ISO 8601)."""
_ONCE_IN = timedelta(days=1)

log = logging.getLogger(__name__)


def suspect_rollback(services: Services, account_id: str, token: Token, origin: Origin) -> None:
    """Raise the alarm: counted and logged each time, recorded once a day for each grant, so that a client that tries again fills no history."""
    count("rollback_alarms")
    kind, now = "code" if token.kind == CODE else "refresh_token", services.clock()
    log.error("rollback alarm: a genuine %s of grant %s was never recorded; was a backup restored?", kind.replace("_", " "), token.grant_id)
    tables = services.store.tables()
    tables.set_meta(ALARM, now.isoformat())
    if tables.count(f"rollback:{token.grant_id}", window_of(now, _ONCE_IN)) > 1:
        return

    def attempt() -> Recorded:
        context, stream = services.context(account_id, origin), ledger_stream(account_id)
        kept = services.store.load(Ledger, stream)
        ledger = kept.copy() if kept else Ledger.blank(stream, context)
        ledger.suspect_rollback(context, kind=kind, grant_id=str(token.grant_id), generation=token.generation)
        return services.store.append([ledger])

    try:
        until_settled(attempt)
    except Busy:
        log.warning("the rollback alarm of grant %s could not be recorded: too many changes at once", token.grant_id)
