"""What one person may do: the role, and single permissions granted beside it or taken away, each with a question before it takes something."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from application import manage_members
from application.last_admin import MANAGE, is_only_admin
from application.manage_members import Decision
from domain.errors import DomainError, InvalidInput, NotFound, Refused
from domain.member import Member
from domain.roles import PERMISSIONS, permissions_of
from domain.scopes import per_project
from web.pages import context, csrf, members_confirm, members_forms, members_views, members_words
from web.pages.formatting import listed
from web.pages.frame import settings_page
from web.pages.members import HERE, SECTION, person_page, trail
from web.pages.members_asking import ask, back, by, ended, foreseen, home, person_with, told
from web.pages.members_forms import Form
from web.pages.members_models import PermissionView, Places, RoleForm
from web.pages.members_views import Person
from web.pages.models import Step
from web.pages.session import for_admins, for_admins_afresh, signed_in

blueprint = Blueprint("member_access", __name__, url_prefix="/members/<member_id>")

_ROLE_FIELDS: Final = ("role", "project_access", "project_id")
_PLACE_FIELDS: Final = ("project_access", "project_id")


# ---- the role


@blueprint.get("/role")
@for_admins_afresh
def ask_role(member_id: str) -> Response | str:
    """The question for a role that takes something away; without a role in the query, the person's page."""
    if "role" not in request.args:
        return back(member_id)
    person = person_with(member_id)
    decide = _role_decision()
    found, more = foreseen(person, decide)
    fields, changes = members_forms.sent_again(request.args, *_ROLE_FIELDS), _changes(person.state, decide)
    return ask(person, members_confirm.change_role(member_id, person.name, request.args["role"], fields, found, changes, more=more))


@blueprint.post("/role")
@for_admins_afresh
def role(member_id: str) -> Response:
    person, form = person_with(member_id), request.form
    try:
        csrf.check()
        projects = members_forms.projects_from(form)
        permissions_of(form.get("role", ""))
        decide = _role_decision()
        found, _ = foreseen(person, decide)
        if _changes(person.state, decide)[0] and form.get("confirmed") != "yes":
            return _to_question("ask_role", form, _ROLE_FIELDS, member_id=member_id)
        recorded = manage_members.change_role(
            context.services(), context.account_id(), person.state.id, form.get("role", ""), projects=projects, **by()
        )
    except csrf.StaleForm:
        return _role_again(person, {"role": csrf.STALE})
    except DomainError as error:
        return _role_again(person, members_forms.errors_of(error, "role"))
    told(recorded, f"{person.name} is {form['role']} now.", ended(found))
    return back(member_id)


def _changes(state: Member, decide: Decision) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the decision takes and gives."""
    then = state.copy()
    decide(then)
    return members_words.changes(state.held, then.held, context.account().projects)


def _role_decision() -> Decision:
    form = request.values
    projects = members_forms.projects_from(form)
    return manage_members.role_change(context.services(), context.account_id(), form.get("role", ""), projects=projects, **by())


def _to_question(endpoint: str, form: Form, names: tuple[str, ...], **path: Any) -> Response:
    """The question as a page that can be opened again: what was chosen stands in its query."""
    query: dict[str, Any] = {name: form.getlist(name) for name in names if name in form}
    return redirect(url_for(f"settings.member_access.{endpoint}", **path, **{"project_access": "all", **query}), 303)


def _role_again(person: Person, errors: dict[str, str]) -> Response:
    form = request.form
    typed = RoleForm(roles=members_forms.roles(form.get("role", "")), places=members_forms.typed_places(context.account(), form), errors=errors)
    return make_response(person_page(person.state, form=typed), 400)


# ---- single permissions


def _permission(name: str) -> str:
    if name not in PERMISSIONS:
        raise NotFound("There is no such permission.")
    return name


@blueprint.get("/permissions/<permission>", endpoint="permission")
@for_admins
def permission_page(member_id: str, permission: str) -> str:
    return _permission_page(person_with(member_id), _permission(permission))


def _permission_page(person: Person, name: str, errors: dict[str, str] | None = None, failed: str = "") -> str:
    """`failed`: the form whose typed places are shown again."""
    account = context.account()
    held = members_words.held_of(person.state.extent(name))
    scoped, typed = per_project(name), request.form.getlist("project_id")
    can_permit = not held.everywhere or bool(held.excluded)

    def offered(form: str, among: list[str]) -> Places:
        everywhere = failed != form or request.form.get("project_access") != "selected"
        return members_forms.places(account, typed if failed == form else (), everywhere=everywhere, among=among)

    keep = _keep(person, name)
    view = PermissionView(
        member_id=person.id,
        person=person.name,
        line=members_words.line(name, person.state.role, held, account),
        per_project=scoped,
        where=members_words.where(held, account.projects),
        permit=offered("permit", [p for p in account.projects if not held.holds(p)]) if can_permit and not person.state.erased else None,
        forbid=offered("forbid", [p for p in account.projects if held.holds(p)]) if held and not keep and not person.state.erased else None,
        keep=keep,
        errors=errors or {},
    )
    with context.views() as conn:
        steps = trail(Step(person.name, home(person.id)))
        return settings_page("settings/members/permission.html", conn, name, SECTION, here=HERE, trail=steps, view=view)


def _keep(person: Person, name: str) -> str:
    only = name == MANAGE and is_only_admin(context.services(), person.state, actor_id=signed_in().member_id)
    return members_views.ONLY_ADMIN.format(person.name) if only else ""


def _permission_again(person: Person, name: str, error: Exception, failed: str) -> Response:
    words = csrf.STALE if isinstance(error, csrf.StaleForm) else str(getattr(error, "message", ""))
    return make_response(_permission_page(person, name, {f"{failed}-project_id": words}, failed), 400)


@blueprint.post("/permissions/<permission>")
@for_admins_afresh
def permit(member_id: str, permission: str) -> Response:
    person, name = person_with(member_id), _permission(permission)
    try:
        csrf.check()
        projects = members_forms.projects_from(request.form)
        recorded = manage_members.permit(context.services(), context.account_id(), person.state.id, name, projects=projects, **by())
    except (csrf.StaleForm, InvalidInput, NotFound) as error:
        return _permission_again(person, name, error, "permit")
    told(recorded, f"{person.name} holds {name} {_places(name, projects)}.".replace(" .", "."), "It counts for apps that they allow from now on.")
    return back(member_id)


@blueprint.get("/permissions/<permission>/forbid")
@for_admins_afresh
def ask_forbid(member_id: str, permission: str) -> Response | str:
    person, name = person_with(member_id), _permission(permission)
    home = url_for("settings.member_access.permission", member_id=member_id, permission=name)
    if "project_access" not in request.args:
        return redirect(home, 303)
    decide, projects = _forbidding(name)
    found, more = foreseen(person, decide)
    fields, places = members_forms.sent_again(request.args, *_PLACE_FIELDS), _places(name, projects).removeprefix("in ") if projects else ""
    return ask(person, members_confirm.take_away(member_id, person.name, name, places, fields, found, more=more), home)


def _forbidding(name: str) -> tuple[Decision, tuple[str, ...]]:
    projects = members_forms.projects_from(request.values)
    decide = manage_members.permission_change(context.services(), context.account_id(), Member.forbid, name, projects=projects, **by())
    return decide, projects


@blueprint.post("/permissions/<permission>/forbid")
@for_admins_afresh
def forbid(member_id: str, permission: str) -> Response:
    """Asks first, with what it takes from sessions; then takes it away."""
    person, name = person_with(member_id), _permission(permission)
    try:
        csrf.check()
        decide, projects = _forbidding(name)
        found, _ = foreseen(person, decide)
        if request.form.get("confirmed") != "yes":
            return _to_question("ask_forbid", request.form, _PLACE_FIELDS, member_id=member_id, permission=name)
        recorded = manage_members.forbid(context.services(), context.account_id(), person.state.id, name, projects=projects, **by())
    except (csrf.StaleForm, InvalidInput, NotFound, Refused) as error:
        return _permission_again(person, name, error, "forbid")
    told(recorded, f"Took {name} away from {person.name} {_places(name, projects)}.".replace(" .", "."), ended(found))
    return back(member_id)


def _places(name: str, projects: tuple[str, ...]) -> str:
    if not per_project(name) or not projects:
        return "in all projects" if per_project(name) else ""
    names = context.account().projects
    return f"in {listed([names.get(id_, id_) for id_ in projects])}"
