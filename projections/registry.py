"""Every projection there is. A change of tables or fold needs a new version number here: it is then built beside the old one."""

from __future__ import annotations

import domain.account
import domain.activity
import domain.client
import domain.consent
import domain.grant
import domain.ledger
import domain.member
import domain.records
import domain.sign_in
import domain.signing_key  # noqa: F401 - decoding an event of an older class version needs its class registered
from projections.audit_log import projection as audit_log
from projections.audit_log import view as audit_log_view
from projections.consents import projection as consents
from projections.consents import view as consents_view
from projections.definition import Projection
from projections.integrations import projection as integrations
from projections.integrations import view as integrations_view
from projections.members import projection as members
from projections.members import view as members_view
from projections.sessions import projection as sessions
from projections.sessions import view as sessions_view
from projections.usage import projection as usage
from projections.usage import view as usage_view


def _projection(name: str, version: int, topics: frozenset[str], view: object) -> Projection:
    v = vars(view)
    return Projection(name, version, topics, v["TABLES"], v["create"], v["index"], v["apply"], v.get("COPIES", False))


PROJECTIONS: tuple[Projection, ...] = (
    _projection("members", 3, members.TOPICS, members_view),
    _projection("integrations", 3, integrations.TOPICS, integrations_view),
    _projection("consents", 3, consents.TOPICS, consents_view),
    _projection("sessions", 3, sessions.TOPICS, sessions_view),
    _projection("usage", 1, usage.TOPICS, usage_view),
    _projection("audit_log", 4, audit_log.TOPICS, audit_log_view),
)

BY_NAME: dict[str, Projection] = {p.name: p for p in PROJECTIONS}
