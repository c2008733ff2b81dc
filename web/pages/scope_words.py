"""The words of each scope of the default catalogue: what it lets an app do, in the user's language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ScopeWords:
    """A permission's heading, its one line of detail, and whether it changes things."""

    heading: str
    detail: str
    acts: bool


WORDS: Final[dict[str, ScopeWords]] = {
    "account:read": ScopeWords("See account details", "Project and environment settings, read only", acts=False),
    "projects:query": ScopeWords("Query metrics", "Run metric queries and see their results", acts=False),
    "catalog:read": ScopeWords(
        "Read the catalog", "Model descriptions, column lineage, project metadata", acts=False
    ),
    "projects:develop": ScopeWords("Change models", "Edit and run models in development", acts=True),
    "jobs:run": ScopeWords("Run jobs", "View, edit and re-run production jobs", acts=True),
    "account:manage": ScopeWords("Manage integrations", "Administer integrations through the API", acts=True),
    "offline_access": ScopeWords("Stay connected", "Keep the session alive with refresh tokens", acts=False),
}

ORDER: Final = tuple(WORDS)


def words_of(scope: str) -> ScopeWords:
    """The words of a scope; one that an account published itself stands for itself."""
    return WORDS.get(scope, ScopeWords(scope, "", acts=True))


def heading(scope: str) -> str:
    return words_of(scope).heading


def acts(scope: str) -> bool:
    return words_of(scope).acts


def in_order(scopes: tuple[str, ...] | frozenset[str] | set[str] | list[str]) -> tuple[str, ...]:
    """The scopes in the order of the catalogue, unknown ones last."""
    return tuple(sorted(scopes, key=lambda scope: (ORDER.index(scope) if scope in WORDS else len(ORDER), scope)))
