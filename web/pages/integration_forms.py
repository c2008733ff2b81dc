"""Adding an integration by hand: the form, and what is wrong with it at each field."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from application.ports import Recorded
from application.register_client import register_manual
from domain.errors import InvalidInput
from domain.scopes import OFFLINE_ACCESS
from web.pages import context, csrf
from web.pages.app_words import plain_name
from web.pages.confirmations import reason_from
from web.pages.deeds import done
from web.pages.endpoints import endpoints
from web.pages.frame import settings_page
from web.pages.integration_models import NewIntegrationForm
from web.pages.models import Choice, Step
from web.pages.session import for_admins, signed_in

_HERE: Final = "settings.integrations.list"
_SECTION: Final = "App integrations"


def add_routes(blueprint: Blueprint) -> None:
    """On the blueprint of the integrations, whose names they share."""
    blueprint.add_url_rule("/new", "new", for_admins(new), methods=["GET"])
    blueprint.add_url_rule("/new", "add", for_admins(add), methods=["POST"])


def new() -> str:
    return _new_page(NewIntegrationForm(scopes=_scope_choices(None)))


def add() -> Response:
    form = request.form
    try:
        csrf.check()
    except csrf.StaleForm:
        return make_response(_new_page(_typed({"name": csrf.STALE})), 400)
    uris = [line.strip() for line in form.get("redirect_uris", "").splitlines() if line.strip()]
    try:
        client = register_manual(
            context.services(),
            context.account_id(),
            name=form.get("name", "").strip(),
            redirect_uris=uris,
            scopes=form.getlist("scope"),
            homepage=form.get("homepage", "").strip() or None,
            actor_id=signed_in().member_id,
            origin=context.origin(),
            reason=reason_from(form.get("reason", "")),
        )
    except InvalidInput as error:
        return make_response(_new_page(_typed({_field(error): error.message})), 400)
    done(Recorded(client.id, client.version), f"Added {plain_name(client.name)}.", "No secret is issued. Use PKCE (S256).")
    return redirect(url_for("settings.integrations.detail", page_id=client.client_id), 303)


def _field(error: InvalidInput) -> str:
    """The form's field that the error is about."""
    return {"scope": "scopes"}.get(error.field or "", error.field or "name")


def _typed(errors: dict[str, str]) -> NewIntegrationForm:
    form = request.form
    return NewIntegrationForm(
        name=form.get("name", ""),
        redirect_uris=form.get("redirect_uris", ""),
        scopes=_scope_choices(frozenset(form.getlist("scope"))),
        homepage=form.get("homepage", ""),
        reason=form.get("reason", ""),
        errors=errors,
    )


def _scope_choices(chosen: frozenset[str] | None) -> tuple[Choice, ...]:
    """The catalogue's scopes, but `offline_access`, which every app may ask for; at first those that only read are ticked."""
    scopes = context.account().scopes.values()
    return tuple(
        Choice(value=scope.code, words=scope.title, chosen=scope.code in chosen if chosen is not None else not scope.acts)
        for scope in scopes
        if scope.code != OFFLINE_ACCESS
    )


def _new_page(form: NewIntegrationForm) -> str:
    with context.views() as conn:
        urls = endpoints(context.account(), context.services())
        template = "settings/integrations/new.html"
        return settings_page(
            template, conn, "Add integration", _SECTION, here=_HERE, trail=(Step(_SECTION, url_for(_HERE)),), view=form, endpoints=urls
        )
