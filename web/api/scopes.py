"""The scope catalogue: what apps may ask for; each change publishes it anew."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import url_for

from application import manage_scopes
from application.lookups import account_of
from domain.account import Account
from domain.base import Stream
from domain.scopes import Scope
from web.api import context
from web.api.blueprints import new_blueprint
from web.api.context import actor
from web.api.guard import OWN, manages, reads
from web.api.preconditions import TagOf, changing, tag
from web.schemas import account as shapes
from web.schemas import rules
from web.schemas.common import ReadQuery

blueprint = new_blueprint("scopes", "The scope catalogue: what apps may ask for. Each change publishes it anew.")


def _tagged(account: Account, code: str) -> Scope:
    scope = manage_scopes.found(account, code)
    context.tagged(_tag_of(scope))
    return scope


def _tag_of(scope: Scope) -> str:
    return tag("scope", asdict(scope))


def _tag(code: str) -> TagOf:
    def current(stream: Stream) -> str | None:
        return _tag_of(stream.scopes[code]) if isinstance(stream, Account) and code in stream.scopes else None

    return current


def _account() -> Account:
    return account_of(context.services(), context.account_id())


@blueprint.route("/scopes")
@reads(OWN)
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.ScopePage)
def list_scopes(_: dict[str, Any]) -> Any:
    """Show the scope catalogue."""
    return {"data": list(context.caller().account.scopes.values()), "next_cursor": None}


@blueprint.route("/scopes", methods=["POST"])
@manages("scopes.add")
@blueprint.arguments(rules.NewScope)
@blueprint.response(201, shapes.Scope)
def add_scope(body: dict[str, Any]) -> Any:
    """Add a scope. Apps can ask for it once a resource serves it."""
    context.did(manage_scopes.add(changing(), context.account_id(), **{"acts": False, "dynamic": True, **body}, **actor()))
    return _tagged(_account(), body["code"]), 201, {"Location": url_for("api_scopes.show_scope", code=body["code"])}


@blueprint.route("/scopes/<code>")
@reads(OWN)
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.Scope)
def show_scope(_: dict[str, Any], code: str) -> Any:
    """Show one scope."""
    return _tagged(context.caller().account, code)


@blueprint.route("/scopes/<code>", methods=["PATCH"])
@manages("scopes.change", conditional=True)
@blueprint.arguments(rules.ScopeChange)
@blueprint.response(200, shapes.Scope)
def change_scope(body: dict[str, Any], code: str) -> Any:
    """Change a scope's words, marks or permission. With another permission, sessions that began before lose it for good."""
    context.did(manage_scopes.change_scope(changing(_tag(code)), context.account_id(), code, **body, **actor()))
    return _tagged(_account(), code)


@blueprint.route("/scopes/<code>", methods=["DELETE"])
@manages("scopes.remove")
@blueprint.response(204)
def remove_scope(code: str) -> Any:
    """Remove a scope that no resource serves and the registration policy doesn't name. Sessions lose it for good."""
    context.did(manage_scopes.remove(changing(_tag(code)), context.account_id(), code, **actor()))
