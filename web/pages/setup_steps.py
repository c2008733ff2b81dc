"""First run, steps 3 and 4 of 4, for the signed-in admin: the first protected resource and the first app; either can be skipped."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from application import manage_resources
from application.ports import Recorded
from application.register_client import register_manual
from domain.errors import AlreadyExists, InvalidInput, Refused
from domain.scopes import OFFLINE_ACCESS
from web.pages import context, csrf
from web.pages.app_words import plain_name
from web.pages.deeds import done
from web.pages.endpoints import answers
from web.pages.frame import account_page
from web.pages.models import Choice
from web.pages.session import for_admins, signed_in
from web.pages.setup_models import AppStep, NewSecret, ResourceStep

blueprint = Blueprint("setup_steps", __name__, url_prefix="/setup")

# ---- step 3: the first resource


@blueprint.get("/resource")
@for_admins
def resource() -> str:
    return _resource_page()


@blueprint.post("/resource")
@for_admins
def add_resource() -> Response:
    try:
        csrf.check()
        secret = _registered()
    except csrf.StaleForm:
        return make_response(_resource_page({"identifier": csrf.STALE}), 400)
    except (InvalidInput, AlreadyExists) as error:
        return make_response(_resource_page({error.field or "identifier": error.message}), 400)
    if secret is not None:  # the next step is this answer, so that the secret waits nowhere
        return make_response(_app_page(secret=secret))
    return redirect(url_for("setup_steps.app"), 303)


def _registered() -> NewSecret | None:
    """The secret of a new resource; one that is there, such as this server's own MCP endpoint, gets its upstream instead and keeps its secret."""
    form, services, account_id = request.form, context.services(), context.account_id()
    identifier = manage_resources.canonical_identifier(form.get("identifier", "")[:2000])
    upstream, scopes = form.get("upstream", "").strip()[:2000], form.getlist("scope")[:100]
    by: dict[str, Any] = {"origin": context.origin(), "actor_id": signed_in().member_id}
    if identifier in context.account().resources and upstream:
        done(manage_resources.change(services, account_id, identifier, upstream=upstream, **by), "The gateway forwards to it now.")
        return None
    made = manage_resources.add(services, account_id, identifier=identifier, scopes=scopes, upstream=upstream or None, **by)
    done(made.recorded, "Registered the resource.")
    return NewSecret(identifier=made.identifier, resource_id=made.resource_id, secret=made.secret)


def _resource_page(errors: dict[str, str] | None = None) -> str:
    account, form = context.account(), request.form
    chosen = frozenset(form.getlist("scope")) if errors else frozenset(code for code in account.scopes if code != "account:manage")
    view = ResourceStep(
        registered=tuple(account.resources),
        mcp_url=context.services().mcp_url,
        identifier=form.get("identifier", ""),
        upstream=form.get("upstream", ""),
        scopes=_choices(chosen),
        errors=errors or {},
    )
    return _page("setup/resource.html", "Set up, step 3 of 4", view)


# ---- step 4: the first app


@blueprint.get("/app")
@for_admins
def app() -> str:
    return _app_page()


@blueprint.post("/app")
@for_admins
def add_app() -> Response:
    form = request.form
    try:
        csrf.check()
        client = register_manual(
            context.services(),
            context.account_id(),
            name=form.get("name", "").strip(),
            redirect_uris=[line.strip() for line in form.get("redirect_uris", "").splitlines() if line.strip()],
            scopes=form.getlist("scope")[:100],
            homepage=None,
            actor_id=signed_in().member_id,
            origin=context.origin(),
        )
    except csrf.StaleForm:
        return make_response(_app_page({"name": csrf.STALE}), 400)
    except (InvalidInput, Refused) as error:
        return make_response(_app_page({error.field or "name": error.message}), 400)
    done(Recorded(client.id, client.version), f"Added {plain_name(client.name)}.", "No secret is issued. It uses PKCE (S256).")
    return redirect(url_for("settings.first_steps.show", app=client.client_id), 303)


def _app_page(errors: dict[str, str] | None = None, *, secret: NewSecret | None = None) -> str:
    account, form = context.account(), request.form
    by_itself = frozenset(code for code, scope in account.scopes.items() if scope.dynamic)
    view = AppStep(
        mcp_url=context.services().mcp_url,
        answers=answers(account, context.services()),
        registers=account.has_apps and account.registration_policy.registration != "off",
        included=account.has_apps,
        name=form.get("name", ""),
        redirect_uris=form.get("redirect_uris", ""),
        scopes=_choices(frozenset(form.getlist("scope")) if errors else by_itself),
        secret=secret,
        errors=errors or {},
    )
    return _page("setup/app.html", "Set up, step 4 of 4", view)


def _page(template: str, title: str, view: ResourceStep | AppStep) -> str:
    with context.views() as conn:
        return account_page(template, conn, title, error=bool(view.errors), with_lag=False, view=view)


def _choices(chosen: frozenset[str]) -> tuple[Choice, ...]:
    """The catalogue's scopes but `offline_access`, which is no resource's and which every app may ask for."""
    scopes = context.account().scopes.values()
    return tuple(Choice(value=s.code, words=s.title, chosen=s.code in chosen) for s in scopes if s.code != OFFLINE_ACCESS)
