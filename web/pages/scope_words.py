"""The words of each scope, from the account's catalogue: what it lets an app do, in the user's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from flask import g, has_app_context

from domain.scopes import DEFAULT_CATALOGUE, OFFLINE_ACCESS, Scope

CATALOGUE: Final[Mapping[str, Scope]] = {scope.code: scope for scope in DEFAULT_CATALOGUE}
_SPOKEN: Final = {OFFLINE_ACCESS: "Stay connected"}


def catalogue() -> Mapping[str, Scope]:
    """The catalogue of the account whose page is made; the default one where no page is."""
    account = g.get("account") if has_app_context() else None
    return CATALOGUE if account is None else account.scopes


def words_of(code: str, scopes: Mapping[str, Scope] | None = None) -> Scope:
    """The scope with its title and description; one that the catalogue lost keeps its default words, or stands for itself."""
    found = (catalogue() if scopes is None else scopes).get(code) or CATALOGUE.get(code)
    return found or Scope(code, None, per_project=False, title=code, description="", acts=True)


def heading(code: str) -> str:
    """Its words in a list; of the default scopes that say more elsewhere, the short ones."""
    words = words_of(code)
    return _SPOKEN[code] if code in _SPOKEN and words.title == CATALOGUE[code].title else words.title


def acts(code: str) -> bool:
    return words_of(code).acts


def in_order(codes: Iterable[str]) -> tuple[str, ...]:
    """The scopes in the order of the catalogue with `offline_access` last but for unknown ones."""
    known = [code for code in {**catalogue(), **CATALOGUE} if code != OFFLINE_ACCESS]
    place = {code: number for number, code in enumerate([*known, OFFLINE_ACCESS])}
    return tuple(sorted(codes, key=lambda code: (place.get(code, len(place)), code)))
