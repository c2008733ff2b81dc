"""Why a live grant lacks a scope, told from the same states as the permission function: for words, never for a decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from domain.access import Standing

Cause = Literal["unknown", "taken", "role", "narrowed", "lost", "not_consented"]


@dataclass(frozen=True, slots=True)
class Lack:
    """`taken`: an admin took `permission` away at `at`; `role`: the role doesn't include it; `narrowed`: the consent no longer has the scope;
    `lost`: it was consented to, and a permission, project or resource changed since; `unknown`: the account has no such scope."""

    cause: Cause
    permission: str | None = None
    at: datetime | None = None


def why_lacking(standing: Standing, code: str) -> Lack:
    """Why `access` has no `code`; ask only where it has none."""
    scope = standing.account.scopes.get(code)
    if scope is None:
        return Lack("unknown")
    if scope.permission is not None and not standing.member.holds(scope.permission):
        at = standing.member.taken.get(scope.permission)
        return Lack("role" if at is None else "taken", scope.permission, at)
    if code not in standing.grant.scopes:
        return Lack("not_consented", scope.permission)
    return Lack("narrowed" if standing.consent.scopes.get(code) is None else "lost", scope.permission)
