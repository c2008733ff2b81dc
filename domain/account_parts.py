"""What an account is made of beside its own state: plans, and the rule for names of projects."""

from __future__ import annotations

from collections.abc import Mapping

from domain.errors import AlreadyExists, InvalidInput

PLANS = ("starter", "team", "enterprise", "enterprise+")
PLANS_WITH_APPS = frozenset({"enterprise", "enterprise+"})
LONGEST_PROJECT_NAME = 100


def project_name(name: str, projects: Mapping[str, str], *, of: str) -> str:
    """The name for the project `of`, without spaces around it; `InvalidInput` or `AlreadyExists` if it can't have it."""
    name = name.strip()
    if not name or len(name) > LONGEST_PROJECT_NAME:
        raise InvalidInput(f"A project's name has 1 to {LONGEST_PROJECT_NAME} characters.", field="name")
    if any(taken == name and project_id != of for project_id, taken in projects.items()):
        raise AlreadyExists(f"There is a project {name!r} already.", field="name")
    return name
