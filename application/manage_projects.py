"""Projects of an account: added, renamed, removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from application.lookups import account_of, change
from application.ports import Recorded
from application.retrying import until_settled
from application.services import Origin, Services
from domain.account import Account


@dataclass(frozen=True, slots=True)
class NewProject:
    """The project's id and what was recorded."""

    project_id: str
    recorded: Recorded


def add(services: Services, account_id: str, name: str, *, origin: Origin, actor_id: str | None = None) -> NewProject:
    """Add a project under a new id."""
    project_id = f"prj_{services.new_id().hex[:12]}"

    def attempt() -> Recorded:
        account = account_of(services, account_id)
        account.add_project(project_id, name, services.context(account_id, origin, actor_id=actor_id))
        return services.store.append([account])

    return NewProject(project_id, until_settled(attempt))


def rename(services: Services, account_id: str, project: str, name: str, *, origin: Origin, actor_id: str | None = None) -> Recorded | None:
    """Rename a project, given by id or name; None if that is its name already."""

    return change(
        services,
        lambda: account_of(services, account_id),
        lambda account: account.rename_project(project, name, services.context(account_id, origin, actor_id=actor_id)),
    )


def removal(services: Services, account_id: str, project: str, *, origin: Origin, actor_id: str | None = None) -> Callable[[Account], None]:
    """What removing a project is, to be carried out or only foreseen."""
    return lambda account: account.remove_project(project, services.context(account_id, origin, actor_id=actor_id))


def remove(services: Services, account_id: str, project: str, *, origin: Origin, actor_id: str | None = None) -> Recorded | None:
    """Remove a project, given by id or name; no grant reaches it from the next request on."""
    decide = removal(services, account_id, project, origin=origin, actor_id=actor_id)
    return change(services, lambda: account_of(services, account_id), decide, ending=True)
