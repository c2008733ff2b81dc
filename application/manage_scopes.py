"""The scope catalogue: scopes added, changed and removed, each time published whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from application.lookups import account_of, change
from application.ports import Recorded
from application.services import Origin, Services
from domain.account import Account
from domain.catalogue import new_scope
from domain.errors import AlreadyExists, NotFound
from domain.scopes import Scope, per_project


def add(
    services: Services, account_id: str, *, code: str, permission: str, title: str, description: str, acts: bool, dynamic: bool,
    origin: Origin, actor_id: str | None = None,
) -> Recorded | None:  # fmt: skip
    """One more scope; apps may ask for it once a resource serves it."""
    wanted = new_scope(code, permission, title, description, acts=acts, dynamic=dynamic)

    def decide(account: Account) -> None:
        if wanted.code in account.scopes:
            raise AlreadyExists(f"There is a scope {wanted.code} already.", field="code")
        account.publish_scopes([*account.scopes.values(), wanted], services.context(account_id, origin, actor_id=actor_id))

    return change(services, lambda: account_of(services, account_id), decide)


def change_scope(
    services: Services, account_id: str, code: str, *, permission: str | None = None, title: str | None = None, description: str | None = None,
    acts: bool | None = None, dynamic: bool | None = None, origin: Origin, actor_id: str | None = None,
) -> Recorded | None:  # fmt: skip
    """What is given replaces what is there. With another permission, sessions that began before lose the scope; other words change nothing."""
    words = {name: " ".join(text.split()) for name, text in (("title", title), ("description", description)) if text is not None}
    flags = {name: flag for name, flag in (("acts", acts), ("dynamic", dynamic)) if flag is not None}
    given: dict[str, Any] = {**words, **flags}

    def decide(account: Account) -> None:
        before = found(account, code)
        needed = before.permission if permission is None else permission
        where = before.per_project if needed is None else per_project(needed)
        after = replace(before, permission=needed, per_project=where, **given)
        scopes = [after if scope.code == code else scope for scope in account.scopes.values()]
        account.publish_scopes(scopes, services.context(account_id, origin, actor_id=actor_id))

    return change(services, lambda: account_of(services, account_id), decide, ending=True)


def remove(services: Services, account_id: str, code: str, *, origin: Origin, actor_id: str | None = None) -> Recorded | None:
    """Take a scope out; sessions lose it for good. `Refused` while a resource serves it or the registration policy names it."""

    def decide(account: Account) -> None:
        found(account, code)
        left = [scope for scope in account.scopes.values() if scope.code != code]
        account.publish_scopes(left, services.context(account_id, origin, actor_id=actor_id))

    return change(services, lambda: account_of(services, account_id), decide, ending=True)


def found(account: Account, code: str) -> Scope:
    """The scope; `NotFound` names those there are."""
    if code not in account.scopes:
        raise NotFound(f"There is no scope {code!r}. Scopes: {', '.join(account.scopes)}.", field="code")
    return account.scopes[code]
