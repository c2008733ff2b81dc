"""What the forms about members hold: a role, places, an address; read from the request, and shown again as typed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from flask import request
from werkzeug.datastructures import MultiDict

from domain.account import Account
from domain.errors import DomainError, InvalidInput
from domain.extent import Extent
from domain.roles import ROLES
from domain.scopes import per_project
from web.pages.members_confirm import Fields
from web.pages.members_models import NewMemberForm, Places
from web.pages.models import Choice

Form = MultiDict[str, str]
_FIELDS: Final = {"project": "project_id", "permission": "role"}


def projects_from(form: Form) -> tuple[str, ...]:
    """The chosen projects, none for all of them; `InvalidInput` at `project_id` where nothing is chosen."""
    if form.get("project_access") != "selected":
        return ()
    chosen = tuple(dict.fromkeys(form.getlist("project_id")))
    if not chosen:
        raise InvalidInput("Choose at least one project.", field="project_id")
    return chosen


def sent_again(form: Form, *names: str) -> Fields:
    """The fields that the question before a deed sends along."""
    return tuple((name, value) for name in names for value in dict.fromkeys(form.getlist(name)))


def errors_of(error: DomainError, default: str) -> dict[str, str]:
    """The error at its field of the form."""
    field = getattr(error, "field", None) or default
    return {_FIELDS.get(field, field): error.message}


def roles(chosen: str) -> tuple[Choice, ...]:
    return tuple(Choice(value=role, words=role, chosen=role == chosen) for role in ROLES)


def places(account: Account, chosen: Iterable[str] = (), *, everywhere: bool = True, among: Iterable[str] | None = None) -> Places:
    """The choice between all projects and some of them (`among`: these only)."""
    ticked, offered = set(chosen), account.projects if among is None else among
    shown = tuple(Choice(value=id_, words=account.projects[id_], chosen=id_ in ticked) for id_ in offered if id_ in account.projects)
    return Places(everywhere=everywhere, projects=shown)


def typed_places(account: Account, form: Form) -> Places:
    return places(account, form.getlist("project_id"), everywhere=form.get("project_access") != "selected")


def role_places(account: Account, role: str, held: dict[str, Extent]) -> Places:
    """Where the role holds now: all projects, unless everything of it that is held per project is held in the same ones."""
    extents = [held[name] for name in ROLES.get(role, ()) if per_project(name) and name in held and not held[name].empty]
    named = {frozenset(extent.within(account.projects)) for extent in extents}
    limited = bool(extents) and all(extent.all_since is None for extent in extents) and len(named) == 1
    return places(account, next(iter(named)) if limited else (), everywhere=not limited)


def new_member(account: Account, *, sso: bool, typed: bool = False, errors: dict[str, str] | None = None) -> NewMemberForm:
    """The form as it opens, or as typed so far."""
    form = request.form
    return NewMemberForm(
        name=form.get("name", "") if typed else "",
        email=form.get("email", "") if typed else "",
        roles=roles(form.get("role", "") if typed else "Member"),
        places=typed_places(account, form) if typed else places(account),
        password=form.get("sign_in") != "none" if typed else True,
        sso=sso,
        errors=errors or {},
    )
