"""Protected resources: the list, one with its operations and credentials, adding, changing, a new secret, removing."""

from __future__ import annotations

from typing import Any, Final, Literal

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from application import manage_resources
from domain.account import Resource
from domain.errors import AlreadyExists, InvalidInput, NotFound
from projections.sessions.queries import sessions_holding
from web.pages import context, csrf, resources_views
from web.pages.deeds import done
from web.pages.frame import settings_page
from web.pages.models import Confirm, Step
from web.pages.resources_models import ResourceForm
from web.pages.session import for_admins, for_admins_afresh, for_readers, signed_in

blueprint = Blueprint("resources", __name__, url_prefix="/resources")

_HERE: Final = "settings.resources.list"
_SECTION: Final = "Resources"
_CONFIRMED: Final = "confirmed"


def _by() -> dict[str, Any]:
    return {"origin": context.origin(), "actor_id": signed_in().member_id}


def _found(resource_id: str) -> Resource:
    for resource in context.account().resources.values():
        if resource.resource_id == resource_id:
            return resource
    raise NotFound("There is no such resource in this account.")


def _trail(*more: Step) -> tuple[Step, ...]:
    return (Step(_SECTION, url_for(_HERE)), *more)


def _to(resource_id: str) -> str:
    return url_for("settings.resources.detail", resource_id=resource_id)


@blueprint.get("", endpoint="list")
@for_readers
def list_all() -> str:
    with context.views() as conn:
        view = resources_views.list_of(conn, context.services(), context.account(), may_manage=signed_in().may_manage)
        return settings_page("settings/resources.html", conn, _SECTION, here=_HERE, view=view)


@blueprint.get("/<resource_id>")
@for_readers
def detail(resource_id: str) -> str:
    return _page_of(_found(resource_id))


def _page_of(resource: Resource, secret: str = "") -> str:
    with context.views() as conn:
        view = resources_views.view_of(
            conn, context.services(), context.account(), resource, may_manage=signed_in().may_manage, secret=secret
        )  # fmt: skip
        template, trail = "settings/resource.html", _trail()
        return settings_page(template, conn, resource.identifier, _SECTION, here=_HERE, trail=trail, view=view, account=context.account())


# ---- adding and changing


@blueprint.get("/new")
@for_admins
def new() -> str:
    return _form_page(resources_views.new_form(context.account()))


@blueprint.post("/new")
@for_admins
def add() -> Response:
    try:
        csrf.check()
        operations = resources_views.operations_typed(request.form, request.files)
        identifier, upstream = request.form.get("identifier", ""), request.form.get("upstream", "").strip() or None
        made = manage_resources.add(
            context.services(), context.account_id(), identifier=identifier, scopes=request.form.getlist("scope"), upstream=upstream,
            operations=operations, **_by(),
        )  # fmt: skip
    except csrf.StaleForm:
        return _again(None, {"identifier": csrf.STALE})
    except (InvalidInput, AlreadyExists) as error:
        return _again(None, {_field(error): error.message})
    done(made.recorded, f"Added {made.identifier}.", "Its introspection secret is shown once, below.")
    return _with_secret(made)


@blueprint.get("/<resource_id>/change")
@for_admins
def change(resource_id: str) -> str:
    return _form_page(resources_views.form_of(context.account(), _found(resource_id)))


@blueprint.post("/<resource_id>/change")
@for_admins
def save(resource_id: str) -> Response | str:
    """Where sessions lose a permission by it, it asks first, with what was typed in the question's form."""
    resource = _found(resource_id)
    try:
        csrf.check()
        operations = resources_views.operations_typed(request.form, request.files)
        scopes = request.form.getlist("scope")
        question = _question(resource, scopes)
        if question is not None:
            back = _to(resource_id)
            with context.views() as conn:
                trail = _trail(Step(resource.identifier, back))
                return settings_page("settings/confirm.html", conn, "Save", _SECTION, here=_HERE, trail=trail, confirm=question, back=back)
        upstream: str | Literal[False] = request.form.get("upstream", "").strip() or False
        services, account_id = context.services(), context.account_id()
        recorded = manage_resources.change(services, account_id, resource_id, scopes=scopes, upstream=upstream, operations=operations, **_by())
    except csrf.StaleForm:
        return _again(resource, {"upstream": csrf.STALE})
    except InvalidInput as error:
        return _again(resource, {_field(error): error.message})
    done(recorded, "Saved the resource." if recorded else "Nothing was changed.", kind="ok" if recorded else "")
    return redirect(_to(resource_id), 303)


def _with_secret(made: manage_resources.ResourceSecret) -> Response:
    """The resource with its new secret, as this request's own answer: the secret waits nowhere for another page."""
    context.forget_account()
    return make_response(_page_of(_found(made.resource_id), made.secret))


def _question(resource: Resource, scopes: list[str]) -> Confirm | None:
    lost = tuple(scope for scope in resource.scopes if scope not in scopes)
    if not lost or not scopes or _CONFIRMED in request.form:
        return None
    with context.views() as conn:
        sessions, people = sessions_holding(conn, context.account_id(), resource=resource.identifier, scopes=lost)
    text = resources_views.typed_form(context.account(), resource, request.form, request.files, {}).operations
    typed = (("upstream", request.form.get("upstream", "")), ("operations", text), *(("scope", scope) for scope in scopes), (_CONFIRMED, "on"))
    return resources_views.narrowing(resource, lost, sessions, people, typed) if sessions else None


def _form_page(form: ResourceForm) -> str:
    title = "Change" if form.resource_id else "Add a resource"
    trail = _trail(Step(form.identifier, _to(form.resource_id))) if form.resource_id else _trail()
    catalogue = context.account().scopes
    with context.views() as conn:
        return settings_page("settings/resource_form.html", conn, title, _SECTION, here=_HERE, trail=trail, view=form, catalogue=catalogue)


def _again(resource: Resource | None, errors: dict[str, str]) -> Response:
    form = resources_views.typed_form(context.account(), resource, request.form, request.files, errors)
    return make_response(_form_page(form), 400)


def _field(error: InvalidInput | AlreadyExists) -> str:
    return {"scope": "scopes"}.get(error.field or "", error.field or "identifier")


# ---- deeds


def _ask(resource: Resource, confirm: Confirm) -> str:
    back = _to(resource.resource_id)
    with context.views() as conn:
        trail = _trail(Step(resource.identifier, back))
        return settings_page("settings/confirm.html", conn, confirm.verb, _SECTION, here=_HERE, trail=trail, confirm=confirm, back=back)


@blueprint.route("/<resource_id>/rotate", methods=["GET", "POST"])
@for_admins_afresh
def rotate(resource_id: str) -> Response | str:
    resource = _found(resource_id)
    if request.method == "GET":
        return _ask(resource, resources_views.rotation(resource))
    csrf.check()
    if request.form.get("secret_since", str(resource.secret_since)) != str(resource.secret_since):
        raise csrf.StaleForm
    made = manage_resources.rotate(context.services(), context.account_id(), resource_id, **_by())
    done(made.recorded, "Made a new secret.", "It is shown once, below. The one before is refused already.")
    return _with_secret(made)


@blueprint.route("/<resource_id>/remove", methods=["GET", "POST"])
@for_admins_afresh
def remove(resource_id: str) -> Response | str:
    resource = _found(resource_id)
    if request.method == "GET":
        with context.views() as conn:
            counts = sessions_holding(conn, context.account_id(), resource=resource.identifier)
        return _ask(resource, resources_views.removal(context.services(), context.account(), resource, *counts))
    csrf.check()
    recorded = manage_resources.remove(context.services(), context.account_id(), resource_id, **_by())
    done(recorded, f"Removed {resource.identifier}.", "Its sessions ended.")
    return redirect(url_for(_HERE), 303)
