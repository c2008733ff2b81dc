"""Protected resources and their credentials, signing keys, and where the projections stand."""

from __future__ import annotations

from typing import Any

from flask import url_for

from application import manage_resources, rotate_keys
from application.lookups import account_of
from application.manage_resources import ResourceSecret
from domain.account import Account, Resource
from domain.base import Stream
from domain.errors import NotFound
from projections import status
from web.api import context
from web.api.blueprints import new_blueprint
from web.api.context import actor
from web.api.guard import manages, reads
from web.api.preconditions import TagOf, changing, tag
from web.schemas import account as shapes
from web.schemas import rules
from web.schemas.common import ReadQuery

blueprint = new_blueprint("resources", "Protected resources, signing keys, and where the views stand.")


def _found(account: Account, resource_id: str) -> Resource:
    found = next((r for r in account.resources.values() if r.resource_id == resource_id), None)
    if found is None:
        raise NotFound("There is no such resource in this account.")
    return found


def _tagged(resource: Resource) -> Resource:
    context.tagged(_tag_of(resource))
    return resource


def _tag_of(resource: Resource) -> str:
    return tag("resource", resource.resource_id, resource.identifier, resource.scopes, resource.upstream, resource.operations)


def _tag(resource_id: str) -> TagOf:
    def current(stream: Stream) -> str | None:
        found = [r for r in stream.resources.values() if r.resource_id == resource_id] if isinstance(stream, Account) else []
        return _tag_of(found[0]) if found else None

    return current


def _with_secret(made: ResourceSecret) -> dict[str, Any]:
    context.did(made.recorded)
    resource = _tagged(_found(account_of(context.services(), context.account_id()), made.resource_id))
    shown = {name: getattr(resource, name) for name in ("resource_id", "identifier", "scopes", "upstream", "operations")}
    return {**shown, "secret": made.secret}


@blueprint.route("/resources")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.ResourcePage)
def list_resources(_: dict[str, Any]) -> Any:
    """List the protected resources."""
    return {"data": list(context.caller().account.resources.values()), "next_cursor": None}


@blueprint.route("/resources", methods=["POST"])
@manages("resources.add")
@blueprint.arguments(shapes.NewResource)
@blueprint.response(201, shapes.ResourceWithSecret)
def add_resource(body: dict[str, Any]) -> Any:
    """Register a protected resource; its introspection secret is in this answer and nowhere else."""
    made = manage_resources.add(changing(), context.account_id(), **body, **actor())
    return _with_secret(made), 201, {"Location": url_for("api_resources.show_resource", resource_id=made.resource_id)}


@blueprint.route("/resources/<resource_id>")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.Resource)
def show_resource(_: dict[str, Any], resource_id: str) -> Any:
    """Show one protected resource."""
    return _tagged(_found(context.caller().account, resource_id))


@blueprint.route("/resources/<resource_id>", methods=["PATCH"])
@manages("resources.change", conditional=True)
@blueprint.arguments(rules.ResourceChange)
@blueprint.response(200, shapes.Resource)
def change_resource(body: dict[str, Any], resource_id: str) -> Any:
    """Change a resource in place: its secret stays, and its sessions go on, less the scopes that it serves no longer."""
    _found(context.caller().account, resource_id)
    wanted = {**body, "upstream": body["upstream"] or False} if "upstream" in body else body
    context.did(manage_resources.change(changing(_tag(resource_id)), context.account_id(), resource_id, **wanted, **actor()))
    return _tagged(_found(account_of(context.services(), context.account_id()), resource_id))


@blueprint.route("/resources/<resource_id>/rotate", methods=["POST"])
@manages("resources.rotate")
@blueprint.response(200, shapes.ResourceWithSecret)
def rotate_resource(resource_id: str) -> Any:
    """Make a new secret; the old one is refused at once."""
    _found(context.caller().account, resource_id)
    return _with_secret(manage_resources.rotate(changing(_tag(resource_id)), context.account_id(), resource_id, **actor()))


@blueprint.route("/resources/<resource_id>", methods=["DELETE"])
@manages("resources.remove")
@blueprint.response(204)
def remove_resource(resource_id: str) -> Any:
    """Remove a resource and end every session for it. Removing this API's own ends yours."""
    _found(context.caller().account, resource_id)
    context.did(manage_resources.remove(changing(_tag(resource_id)), context.account_id(), resource_id, **actor()))


# ---- signing keys and projections


@blueprint.route("/signing-keys")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.SigningKeyPage)
def list_signing_keys(_: dict[str, Any]) -> Any:
    """List the signing keys; private parts are never shown."""
    return {"data": _keys(), "next_cursor": None}


@blueprint.route("/signing-keys", methods=["POST"])
@manages("signing_keys.rotate")
@blueprint.arguments(shapes.KeyRotation, required=False)
@blueprint.response(201, shapes.SigningKey)
def rotate_signing_key(body: dict[str, Any]) -> Any:
    """Publish a new key; it takes over after a minute, and the old one stays until its last token has died."""
    made = rotate_keys.rotate(changing(), context.account_id(), body.get("use", "token"), **actor())
    context.did(made.recorded)
    return next(key for key in _keys() if key["kid"] == made.kid)


def _keys() -> list[dict[str, Any]]:
    """The account's keys with where each stands; its schema shows what of it may be seen."""
    services, account_id = context.services(), context.account_id()
    found = services.store.tables().signing_keys(account_id)
    states = {key.kid: key for key in rotate_keys.key_states(services, account_id, account_of(services, account_id).session_policy)}
    return [{**key, "stage": states[key["kid"]].stage, "next_at": states[key["kid"]].next_at} for key in found]


@blueprint.route("/projections")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.ProjectionPage)
def list_projections(_: dict[str, Any]) -> Any:
    """Show where each view stands, and why one stopped."""
    with context.views() as conn:
        return {"data": status.status(conn), "next_cursor": None}
