"""Scopes: which permission each needs, whether it is held per project, and the words a person reads."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

OFFLINE_ACCESS = "offline_access"


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope of an account's catalogue. `permission` is None where nobody needs one; `acts` marks scopes that change things."""

    code: str
    permission: str | None
    per_project: bool
    title: str
    description: str
    acts: bool = False
    dynamic: bool = True

    def as_fact(self) -> dict[str, Any]:
        return asdict(self)


DEFAULT_CATALOGUE: tuple[Scope, ...] = (
    Scope(OFFLINE_ACCESS, None, False, "Keep the session alive", "Stay connected with refresh tokens"),
    Scope("account:read", "account.read", False, "See account details", "Project and environment settings, read only"),
    Scope("projects:query", "metrics.query", True, "Query metrics", "Run metric queries and see their results"),
    Scope("catalog:read", "catalog.read", True, "Read the catalog", "Model descriptions, column lineage, project metadata"),
    Scope("projects:develop", "project.develop", True, "Change models", "Edit and run models in development", acts=True),
    Scope("jobs:run", "jobs.run", True, "Run jobs", "View, edit and run jobs", acts=True),
    Scope("account:manage", "account.manage", False, "Manage integrations", "Administer integrations through the API", acts=True, dynamic=False),
)


def parse_scope(text: str) -> tuple[str, ...]:
    """The scope codes of a space-separated list, in order, each once (RFC 6749 3.3)."""
    return tuple(dict.fromkeys(text.split()))


def per_project(permission: str) -> bool:
    """Whether a permission is held per project; `account.*` and `audit.*` never are."""
    return not permission.startswith(("account.", "audit."))
