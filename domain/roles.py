"""Roles: named sets of permissions."""

from __future__ import annotations

from domain.errors import InvalidInput

ACCOUNT_ADMIN = "Account Admin"
ACCOUNT_VIEWER = "Account Viewer"

ROLES: dict[str, tuple[str, ...]] = {
    ACCOUNT_ADMIN: ("account.read", "account.manage", "audit.read", "metrics.query", "catalog.read", "project.develop", "jobs.run"),
    ACCOUNT_VIEWER: ("account.read", "audit.read", "catalog.read", "metrics.query"),
    "Developer": ("account.read", "metrics.query", "catalog.read", "project.develop"),
    "Analyst": ("account.read", "metrics.query", "catalog.read"),
    "Job Operator": ("account.read", "metrics.query", "catalog.read", "project.develop", "jobs.run"),
    "Member": ("account.read",),
}

PERMISSIONS: tuple[str, ...] = tuple(dict.fromkeys(p for held in ROLES.values() for p in held))


def permissions_of(role: str) -> tuple[str, ...]:
    """The permissions that a role stands for; `InvalidInput` names the roles there are."""
    try:
        return ROLES[role]
    except KeyError:
        raise InvalidInput(f"There is no role {role!r}. Roles: {', '.join(ROLES)}.", field="role") from None
