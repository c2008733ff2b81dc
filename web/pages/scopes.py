"""The scope catalogue: what apps may ask for, in which words, and who may give it; admins publish changes to it."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from application import manage_scopes
from domain.catalogue import FIXED
from domain.errors import AlreadyExists, DomainError, InvalidInput, Refused
from domain.scopes import Scope
from projections.sessions.queries import sessions_holding
from web.pages import context, csrf, scopes_views
from web.pages.deeds import done
from web.pages.frame import settings_page
from web.pages.models import Confirm, Step
from web.pages.scopes_models import ScopeForm
from web.pages.session import for_admins, for_admins_afresh, for_readers, signed_in

blueprint = Blueprint("scopes", __name__, url_prefix="/scopes")

_HERE: Final = "settings.scopes.list"
_SECTION: Final = "Scopes"
_CONFIRMED: Final = "confirmed"


def _by() -> dict[str, Any]:
    return {"origin": context.origin(), "actor_id": signed_in().member_id}


def _found(code: str) -> Scope:
    return manage_scopes.found(context.account(), code)


def _trail(*more: Step) -> tuple[Step, ...]:
    return (Step(_SECTION, url_for(_HERE)), *more)


def _back() -> Response:
    return redirect(url_for(_HERE), 303)


@blueprint.get("", endpoint="list")
@for_readers
def list_all() -> str:
    with context.views() as conn:
        view = scopes_views.view_of(conn, context.account(), may_manage=signed_in().may_manage)
        return settings_page("settings/scopes.html", conn, _SECTION, here=_HERE, view=view)


# ---- adding and changing


@blueprint.get("/new")
@for_admins
def new() -> str:
    return _form_page(scopes_views.new_form())


@blueprint.post("/new")
@for_admins
def add() -> Response:
    form = request.form
    try:
        csrf.check()
        recorded = manage_scopes.add(
            context.services(), context.account_id(), code=form.get("code", ""), permission=form.get("permission", ""), title=form.get("title", ""),
            description=form.get("description", ""), acts="acts" in form, dynamic="dynamic" in form, **_by(),
        )  # fmt: skip
    except csrf.StaleForm:
        return _again(None, {"code": csrf.STALE})
    except (InvalidInput, AlreadyExists) as error:
        return _again(None, {error.field or "code": error.message})
    done(recorded, f"Added {form.get('code', '').strip()}.", "Apps can ask for it once a resource serves it.")
    return _back()


@blueprint.get("/<code>")
@for_admins
def change(code: str) -> str:
    scope = _found(code)
    with context.views() as conn:
        sessions, _ = sessions_holding(conn, context.account_id(), scopes=[code])
    return _form_page(scopes_views.form_of(context.account(), scope, sessions))


@blueprint.post("/<code>")
@for_admins
def save(code: str) -> Response | str:
    """Another permission takes the scope from sessions that have it: then it asks first, with what was typed in the question's form."""
    scope, form = _found(code), request.form
    try:
        csrf.check()
        permission = form.get("permission", scope.permission or "") or None
        question = _question(scope, permission)
        if question is not None:
            return _ask(question)
        recorded = manage_scopes.change_scope(
            context.services(), context.account_id(), code, permission=permission, title=form.get("title", ""),
            description=form.get("description", ""), acts="acts" in form, dynamic="dynamic" in form, **_by(),
        )  # fmt: skip
    except csrf.StaleForm:
        return _again(scope, {"title": csrf.STALE})
    except (InvalidInput, Refused) as error:
        return _again(scope, {error.field or "permission": error.message})
    done(recorded, f"Saved {code}." if recorded else "Nothing was changed.", kind="ok" if recorded else "")
    return _back()


def _question(scope: Scope, permission: str | None) -> Confirm | None:
    if permission in (scope.permission, None) or scope.code in FIXED or _CONFIRMED in request.form:
        return None
    with context.views() as conn:
        sessions, _ = sessions_holding(conn, context.account_id(), scopes=[scope.code])
    typed = tuple((name, text) for name, text in request.form.items() if name in ("title", "description", "permission", "acts", "dynamic"))
    return scopes_views.needing_more(scope, permission, sessions, (*typed, (_CONFIRMED, "on"))) if sessions else None


def _form_page(form: ScopeForm) -> str:
    title = form.before or "Add a scope"
    with context.views() as conn:
        return settings_page("settings/scope_form.html", conn, title, _SECTION, here=_HERE, trail=_trail(), view=form)


def _again(scope: Scope | None, errors: dict[str, str]) -> Response:
    return make_response(_form_page(scopes_views.typed_form(request.form, scope, errors)), 400)


def _ask(confirm: Confirm) -> str:
    with context.views() as conn:
        return settings_page("settings/confirm.html", conn, confirm.verb, _SECTION, here=_HERE, trail=_trail(), confirm=confirm, back=url_for(_HERE))


# ---- removing


@blueprint.route("/<code>/remove", methods=["GET", "POST"])
@for_admins_afresh
def remove(code: str) -> Response | str:
    scope = _found(code)
    if request.method == "GET":
        with context.views() as conn:
            sessions, _ = sessions_holding(conn, context.account_id(), scopes=[code])
        return _ask(scopes_views.removal(context.account(), scope, sessions))
    csrf.check()
    try:
        recorded = manage_scopes.remove(context.services(), context.account_id(), code, **_by())
    except DomainError as error:
        done(None, error.message, "Nothing was changed.", kind="warn")
        return _back()
    done(recorded, f"Removed {code}.")
    return _back()
