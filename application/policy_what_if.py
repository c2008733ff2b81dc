"""What another policy would have meant: for the apps that registered lately, judged as a registration is, and for the sessions that are alive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from application.client_metadata import RegistrationError
from application.lookups import account_of
from application.manage_policies import registration_changes
from application.register_client import admitted
from application.services import Origin, Services

LOOKED_BACK = timedelta(days=90)
MOST_APPS = 5000


@dataclass(frozen=True, slots=True)
class RegisteredApp:
    """An app that registered itself lately, as the views know it; `people` have a consent in force. Blocked ones are none of the policy's doing."""

    client_stream: str
    client_id: str
    name: str
    metadata: Mapping[str, Any]
    registered_at: datetime
    approved: bool
    people: frozenset[str]


@dataclass(frozen=True, slots=True)
class RefusedApp:
    """An app that the policy would have refused, and what it would have been told."""

    app: RegisteredApp
    why: str


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Of `apps` that registered since then: which would have been refused, how many people use these, and how many would have waited for an admin."""

    since: datetime
    apps: int
    refused: tuple[RefusedApp, ...]
    people: int
    waiting: int


def what_if(services: Services, account_id: str, changes: Mapping[str, str], apps: Iterable[RegisteredApp], since: datetime) -> WhatIf:
    """Judge these apps under the registration policy with `changes`. Nothing is recorded; limits are not counted."""
    account = account_of(services, account_id)
    account.change_registration_policy(registration_changes(changes), services.context(account_id, Origin("system")))
    refused, waiting, number = [], 0, 0
    for app in apps:
        number += 1
        try:
            admitted(account, app.metadata)
        except RegistrationError as error:
            refused.append(RefusedApp(app, error.message))
            continue
        waiting += account.registration_policy.registration == "approval" and not app.approved
    refused.sort(key=lambda found: (-len(found.app.people), found.app.name.casefold()))
    people = frozenset[str]().union(*(found.app.people for found in refused))
    return WhatIf(since, number, tuple(refused), len(people), waiting)
