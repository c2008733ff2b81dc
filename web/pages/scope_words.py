"""The words of each scope, from the catalogue: what it lets an app do, in the user's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from domain.scopes import DEFAULT_CATALOGUE, OFFLINE_ACCESS, Scope

CATALOGUE: Final[Mapping[str, Scope]] = {scope.code: scope for scope in DEFAULT_CATALOGUE}
_SPOKEN: Final = {OFFLINE_ACCESS: "Stay connected"}


def words_of(code: str, catalogue: Mapping[str, Scope] = CATALOGUE) -> Scope:
    """The scope with its title and description; one that the catalogue lost stands for itself."""
    return catalogue.get(code) or CATALOGUE.get(code) or Scope(code, None, per_project=False, title=code, description="", acts=True)


def heading(code: str) -> str:
    return _SPOKEN.get(code) or words_of(code).title


def acts(code: str) -> bool:
    return words_of(code).acts


def in_order(codes: Iterable[str]) -> tuple[str, ...]:
    """The scopes in the order of the catalogue with `offline_access` last but for unknown ones."""
    order = [*(code for code in CATALOGUE if code != OFFLINE_ACCESS), OFFLINE_ACCESS]
    return tuple(sorted(codes, key=lambda code: (order.index(code) if code in CATALOGUE else len(order), code)))
