"""Registration policy, session policy and plan of an account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from application.lookups import account_of, change
from application.ports import Recorded
from application.services import Origin, Services
from domain.account import Account
from domain.errors import InvalidInput
from domain.policies import RegistrationPolicy, SessionPolicy, warnings

REGISTRATION = frozenset(f.name for f in fields(RegistrationPolicy))
SESSION = frozenset(f.name for f in fields(SessionPolicy))


@dataclass(frozen=True, slots=True)
class Changed:
    """What was recorded (None: nothing was to change) and what is unwise about the session policy now."""

    recorded: Recorded | None
    warnings: tuple[str, ...]


def registration_changes(changes: Mapping[str, str]) -> dict[str, str]:
    """The changes, if they are of the registration policy only."""
    unknown = [name for name in changes if name not in REGISTRATION]
    if unknown:
        raise InvalidInput(f"{unknown[0]!r} is no setting of the registration policy. Settings: {', '.join(sorted(REGISTRATION))}.", field=unknown[0])
    return dict(changes)


def change_policy(services: Services, account_id: str, changes: Mapping[str, str], *, origin: Origin, actor_id: str | None = None) -> Changed:
    """Apply textual changes, registration and session settings mixed (`registration=approval refresh_grace=30s`), all or none."""
    unknown = [name for name in changes if name not in REGISTRATION | SESSION]
    if unknown:
        raise InvalidInput(f"There is no policy setting {unknown[0]!r}. Settings: {', '.join(sorted(REGISTRATION | SESSION))}.", field=unknown[0])
    if not changes:
        raise InvalidInput("Name at least one setting, such as refresh_grace=30s.")
    registration = {name: text for name, text in changes.items() if name in REGISTRATION}
    session = {name: text for name, text in changes.items() if name in SESSION}
    found: list[str] = []

    def decide(account: Account) -> None:
        context = services.context(account_id, origin, actor_id=actor_id)
        account.change_registration_policy(registration, context)
        account.change_session_policy(session, context)
        found[:] = warnings(account.session_policy) if session else []

    # A shorter lifetime takes access away at once.
    recorded = change(services, lambda: account_of(services, account_id), decide, ending=True)
    return Changed(recorded, tuple(found))


def change_plan(services: Services, account_id: str, plan: str, *, origin: Origin, actor_id: str | None = None) -> Recorded | None:
    """Set the plan; one without app integrations refuses every client from the next request on."""
    return change(
        services,
        lambda: account_of(services, account_id),
        lambda account: account.change_plan(plan, services.context(account_id, origin, actor_id=actor_id)),
        ending=True,
    )
