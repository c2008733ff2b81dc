"""What an account is made of beside its own state: plans, protected resources, decisions about apps, and the rules for their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from domain.errors import AlreadyExists, InvalidInput
from domain.scopes import Scope

PLANS = ("starter", "team", "enterprise", "enterprise+")
PLANS_WITH_APPS = frozenset({"enterprise", "enterprise+"})
AppStatus = Literal["undecided", "approved", "blocked"]
LONGEST_PROJECT_NAME = 100


@dataclass(frozen=True, slots=True)
class Resource:
    """A protected resource: `operations` maps an operation (an MCP tool) to its scope; `since` is the version that registered it.

    `served`: from which version on it has served each of its scopes; `secret_since`: the version that made its secret.
    """

    resource_id: str
    identifier: str
    scopes: tuple[str, ...]
    upstream: str | None
    operations: dict[str, Any]
    since: int
    served: dict[str, int]
    secret_since: int


@dataclass(frozen=True, slots=True)
class AppDecision:
    """What admins decided about an app (by fingerprint). `ended` is the version of its last block, which ended its grants for good."""

    status: AppStatus = "undecided"
    approved: bool = False
    verified: bool = False
    ended: int = 0


def served_scopes(scopes: tuple[str, ...], catalogue: Mapping[str, Scope]) -> tuple[str, ...]:
    """The scopes for a resource; `InvalidInput` if there are none, or ones that the catalogue doesn't have."""
    unknown = [s for s in scopes if s not in catalogue]
    if unknown or not scopes:
        wrong = ", ".join(unknown) or "none"
        raise InvalidInput(f"A resource needs scopes of the catalogue ({', '.join(catalogue)}), not {wrong}.", field="scope")
    return scopes


def project_name(name: str, projects: Mapping[str, str], *, of: str) -> str:
    """The name for the project `of`, without spaces around it; `InvalidInput` or `AlreadyExists` if it can't have it."""
    name = name.strip()
    if not name or len(name) > LONGEST_PROJECT_NAME:
        raise InvalidInput(f"A project's name has 1 to {LONGEST_PROJECT_NAME} characters.", field="name")
    if any(taken == name and project_id != of for project_id, taken in projects.items()):
        raise AlreadyExists(f"There is a project {name!r} already.", field="name")
    return name
