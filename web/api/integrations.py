"""App integrations: list, show, register by hand, decide, remove."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import url_for

from application import decide_app
from application.lookups import account_of, client_of
from application.ports import Recorded
from application.register_client import register_manual
from domain.account import Account
from domain.base import Stream
from domain.client import Client
from domain.errors import DomainError, NotFound, Refused
from projections.integrations import queries
from web.api import bodies, context, paging
from web.api.blueprints import new_blueprint
from web.api.context import actor
from web.api.guard import manages, reads
from web.api.preconditions import TagOf, changing, tag
from web.schemas import access as shapes
from web.schemas.common import ListQuery, ReadQuery, Reason, ReasonQuery

blueprint = new_blueprint("integrations", "Apps, identical registrations as one, and what admins decide about them.")

_APPS, _REGISTRATIONS = "apps", "registrations"
_MANY = 10_000


def _row(client_ref: str) -> queries.IntegrationRow | None:
    with context.views() as conn:
        return queries.integration(conn, context.account_id(), client_ref) if len(client_ref) <= 300 else None


def _one(client: Client) -> dict[str, Any]:
    account = account_of(context.services(), context.account_id())
    context.tagged(_tag_of(client, account))
    return bodies.integration(client, account, _row(client.client_id))


def _tag_of(client: Client, account: Account) -> str:
    decision = account.app(client.fingerprint)
    return tag("app", client.fingerprint, client.version, decision.status, decision.verified, decision.ended)


def _tag(client_ref: str) -> TagOf:
    """Of the app as decided on by these two streams."""
    services, account_id = context.services(), context.account_id()

    def current(stream: Stream) -> str | None:
        if not isinstance(stream, Client | Account):
            return None
        client = stream if isinstance(stream, Client) else client_of(services, account_id, client_ref)
        return _tag_of(client, stream if isinstance(stream, Account) else account_of(services, account_id))

    return current


@blueprint.route("/integrations")
@reads()
@blueprint.arguments(shapes.IntegrationQuery, location="query")
@blueprint.response(200, shapes.IntegrationPage)
def list_integrations(query: dict[str, Any]) -> Any:
    """List the apps, newest first."""
    before = paging.after(_APPS, query.get("cursor"))
    with context.views() as conn:
        rows = queries.list_integrations(
            conn, context.account_id(), registration=query.get("registration"), removed=query["removed"] == "true",
            before=paging.NEWEST if before is None else before, limit=query["limit"] + 1,
        )  # fmt: skip
    page = paging.page(_APPS, rows, query["limit"], lambda row: row.created_position)
    return {**page, "data": [bodies.integration_row(row) for row in page["data"]]}


@blueprint.route("/integrations", methods=["POST"])
@manages("integrations.register")
@blueprint.arguments(shapes.NewIntegration)
@blueprint.response(201, shapes.Integration)
def register_integration(body: dict[str, Any]) -> Any:
    """Register an app by hand. It gets a client id and no secret: it uses PKCE."""
    made = register_manual(changing(), context.account_id(), **{"homepage": None, **body}, **actor())
    context.did(Recorded(made.id, made.version))
    client = client_of(context.services(), context.account_id(), made.client_id)
    return _one(client), 201, {"Location": url_for("api_integrations.show_integration", client_ref=made.client_id)}


@blueprint.route("/integrations/<client_ref>")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.Integration)
def show_integration(_: dict[str, Any], client_ref: str) -> Any:
    """Show the app of a registration, given by client id or stream."""
    return _one(client_of(context.services(), context.account_id(), client_ref))


@blueprint.route("/integrations/<client_ref>/registrations")
@reads()
@blueprint.arguments(ListQuery, location="query")
@blueprint.response(200, shapes.RegistrationPage)
def list_registrations(query: dict[str, Any], client_ref: str) -> Any:
    """List the identical registrations of an app, newest first, removed ones too."""
    client = client_of(context.services(), context.account_id(), client_ref)
    with context.views() as conn:
        before = paging.after(_REGISTRATIONS, query.get("cursor"))
        rows = queries.registrations(conn, context.account_id(), client.fingerprint, before=before, limit=query["limit"] + 1)
    return paging.page(_REGISTRATIONS, rows, query["limit"], lambda row: row.created_position)


# ---- decisions

Decide = Callable[..., Recorded | None]


def _serve_decision(verb: str, decide: Decide, words: str, **more: Any) -> None:
    """One decision as a POST of its own; they differ in nothing but what is decided."""

    def view(body: dict[str, Any], client_ref: str) -> Any:
        client = client_of(context.services(), context.account_id(), client_ref)
        services = changing(_tag(client_ref))
        context.did(decide(services, context.account_id(), client_ref, reason=body.get("reason"), **more, **actor()))
        return _one(client)

    view.__name__, view.__doc__ = f"{verb}_integration", words
    served = blueprint.arguments(Reason, required=False)(blueprint.response(200, shapes.Integration)(view))
    blueprint.route(f"/integrations/<client_ref>/{verb}", methods=["POST"])(manages(f"integrations.{verb}")(served))


_serve_decision("approve", decide_app.approve, "Let a pending app in, with every identical registration.")
_serve_decision("block", decide_app.block, "Refuse an app in all its registrations, past and future, and end its sessions for good.")
_serve_decision("unblock", decide_app.unblock, "Let a blocked app ask again; its old sessions stay ended.")
_serve_decision("verify", decide_app.verify, "Say that an app is who it says it is.", verified=True)
_serve_decision("unverify", decide_app.verify, "Take that back.", verified=False)


# ---- removal


@blueprint.route("/integrations/<client_ref>", methods=["DELETE"])
@manages("integrations.remove")
@blueprint.arguments(ReasonQuery, location="query")
@blueprint.response(204)
def remove_integration(query: dict[str, Any], client_ref: str) -> Any:
    """Remove an app in all its registrations and end its sessions; it has to register again."""
    client = client_of(context.services(), context.account_id(), client_ref)
    with context.views() as conn:
        rows = queries.registrations(conn, context.account_id(), client.fingerprint, limit=_MANY)
    left = [row.client_id for row in rows if row.removed_at is None and row.client_id != client.client_id]
    gone = [_removed(client_id, query) for client_id in [*left, client.client_id]]
    if not any(gone):
        raise Refused("This app was removed before.")


def _removed(client_ref: str, query: dict[str, Any]) -> bool:
    try:
        context.did(decide_app.remove(changing(_tag(client_ref)), context.account_id(), client_ref, reason=query.get("reason"), **actor()))
    except NotFound:
        raise
    except DomainError:
        return False  # removed in between, or before
    return True


@blueprint.route("/integrations/<client_ref>/registration", methods=["DELETE"])
@manages("integrations.remove_registration")
@blueprint.arguments(ReasonQuery, location="query")
@blueprint.response(204)
def remove_registration(query: dict[str, Any], client_ref: str) -> Any:
    """Remove this one registration and end its sessions."""
    if not _removed(client_ref, query):
        raise Refused("This registration was removed before.")
