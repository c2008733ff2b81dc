"""Records what a member did through a client at a protected resource."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

from application.ports import Recorded
from application.services import Origin, Services
from domain.activity import Activity, Outcome


def record(
    services: Services,
    account_id: str,
    *,
    member_id: str,
    client_stream: str,
    client_id: str,
    grant_id: str,
    resource: str,
    operation: str,
    scope: str | None,
    projects: tuple[str, ...],
    outcome: Outcome,
    origin: Origin,
    detail: str | None = None,
) -> Recorded:
    """One `action.performed`: the member is the actor, the client stands beside it. It judges nothing and can't conflict."""
    context = services.context(account_id, origin, actor_id=member_id, client_stream=client_stream)
    facts = {"grant_id": grant_id, "client_id": client_id, "resource": resource, "operation": operation}
    more = {"scope": scope, "projects": projects, "outcome": outcome, "detail": detail}
    return services.store.append([Activity.performed(time_ordered_id(context.now), context, **facts, **more)])


def time_ordered_id(now: datetime) -> UUID:
    """A UUID of version 7 (RFC 9562 5.7): milliseconds first, so that neighbours in time lie together in the index."""
    milliseconds = int(now.timestamp() * 1000) & (1 << 48) - 1
    value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return UUID(int=value)
