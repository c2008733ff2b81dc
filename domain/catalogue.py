"""The scope catalogue of an account: which scopes it may hold, and what a session keeps when a new one is published."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.errors import InvalidInput, Refused
from domain.roles import PERMISSIONS
from domain.scopes import OFFLINE_ACCESS, Scope, per_project

FIXED: Mapping[str, str | None] = {OFFLINE_ACCESS: None, "account:read": "account.read", "account:manage": "account.manage"}
"""Scopes that the token endpoint and the API ask for by name: they stay, and need what they need; their words may change."""
MOST = 100
_CODE = re.compile(r"[a-z0-9][a-z0-9:._-]{0,59}\Z")
_LONGEST_TITLE, _LONGEST_DESCRIPTION = 60, 200


@dataclass(frozen=True, slots=True)
class InUse:
    """What else names scopes: resources by their identifier, and the registration policy."""

    by_resource: Mapping[str, tuple[str, ...]]
    by_policy: tuple[str, ...]

    def of(self, code: str) -> list[str]:
        """Who names this scope, in words."""
        found = [f"the resource {identifier}" for identifier, scopes in self.by_resource.items() if code in scopes]
        return [*found, *(["the registration policy"] if code in self.by_policy else [])]


def new_scope(code: str, permission: str, title: str, description: str, *, acts: bool, dynamic: bool) -> Scope:
    """A scope with its words tidied; it holds per project where its permission does."""
    return Scope(code.strip(), permission, per_project(permission), " ".join(title.split()), " ".join(description.split()), acts, dynamic)


def checked(scopes: Iterable[Scope], before: Mapping[str, Scope], in_use: InUse) -> dict[str, Scope]:
    """The catalogue as it may be published; `InvalidInput` or `Refused` says what can't be."""
    found: dict[str, Scope] = {}
    for scope in scopes:
        if scope.code in found:
            raise InvalidInput(f"The catalogue has the scope {scope.code} twice.", field="code")
        _check(scope)
        found[scope.code] = scope
    if len(found) > MOST:
        raise InvalidInput(f"A catalogue has at most {MOST} scopes.", field="code")
    for code in FIXED:
        if code not in found:
            raise Refused(f"{code} stays in every catalogue: {_why(code)}.")
    for code in before:
        users = in_use.of(code) if code not in found else []
        if users:
            raise Refused(f"{code} can't be removed while {' and '.join(users[:3])} {'names' if len(users) == 1 else 'name'} it.")
    return found


def since(scopes: Mapping[str, Scope], before: Mapping[str, Scope], versions: Mapping[str, int], version: int) -> dict[str, int]:
    """From which version of the account each scope means what it means now; a session that began earlier doesn't hold it any more."""
    return {code: versions.get(code, 0) if _means_the_same(scope, before.get(code)) else version for code, scope in scopes.items()}


def _means_the_same(scope: Scope, before: Scope | None) -> bool:
    return before is not None and (scope.permission, scope.per_project) == (before.permission, before.per_project)


def _check(scope: Scope) -> None:
    code = scope.code
    if not _CODE.match(code):
        raise InvalidInput(f"A scope's code has 1 to 60 of a-z, 0-9 and : . _ -, such as reports:read, not {code!r}.", field="code")
    if code in FIXED and scope.permission != FIXED[code]:
        raise Refused(f"{code} needs {FIXED[code] or 'no permission'} in every catalogue: {_why(code)}.")
    if code not in FIXED and scope.permission not in PERMISSIONS:
        raise InvalidInput(f"A scope needs one of the permissions {', '.join(PERMISSIONS)}, not {scope.permission!r}.", field="permission")
    if scope.per_project != (scope.permission is not None and per_project(scope.permission)):
        raise InvalidInput(f"{code} holds per project exactly where {scope.permission} does.", field="per_project")
    _check_words(scope.title, "title", _LONGEST_TITLE)
    _check_words(scope.description, "description", _LONGEST_DESCRIPTION)


def _check_words(text: str, name: str, longest: int) -> None:
    if not text.strip() or len(text) > longest or not text.isprintable():
        raise InvalidInput(f"A scope's {name} has 1 to {longest} printable characters: people read it before they agree.", field=name)


def _why(code: str) -> str:
    return "refresh tokens are asked for with it" if code == OFFLINE_ACCESS else "this server's own API asks for it"
