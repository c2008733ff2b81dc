"""How apps are used: by day and by scope, which powerful scopes nobody used, and who asked for an app."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from domain.errors import NotFound
from projections.integrations import queries as integrations
from projections.integrations.queries import IntegrationRow
from projections.usage import queries
from web.api import context
from web.api.blueprints import new_blueprint
from web.api.guard import reads
from web.schemas import usage as shapes
from web.schemas.common import ReadQuery

blueprint = new_blueprint("usage", "How apps are used, and what they hold without using it.")


def _app(conn: Any, client_ref: str) -> IntegrationRow:
    found = integrations.integration(conn, context.account_id(), client_ref)
    if found is None:
        raise NotFound("There is no such app in this account.")
    return found


@blueprint.route("/usage")
@reads()
@blueprint.arguments(shapes.DaysQuery, location="query")
@blueprint.response(200, shapes.AccountUsage)
def show_usage(query: dict[str, Any]) -> Any:
    """Show what happened day by day."""
    today = context.services().clock().date()
    with context.views() as conn:
        return {"data": queries.account_days(conn, context.account_id(), today, query["days"])}


@blueprint.route("/usage/unused-scopes")
@reads()
@blueprint.arguments(shapes.DaysQuery, location="query")
@blueprint.response(200, shapes.UnusedScopes)
def list_unused_scopes(query: dict[str, Any]) -> Any:
    """List the scopes that change things, that an app has held for these days, and that it has not used in them."""
    powerful = [code for code, scope in context.caller().account.scopes.items() if scope.acts]
    before = context.services().clock() - timedelta(days=query["days"])
    with context.views() as conn:
        return {"data": queries.unused_scopes(conn, context.account_id(), powerful, before)}


@blueprint.route("/integrations/<client_ref>/usage")
@reads()
@blueprint.arguments(shapes.DaysQuery, location="query")
@blueprint.response(200, shapes.AppUsage)
def show_app_usage(query: dict[str, Any], client_ref: str) -> Any:
    """Show how an app is used, all its registrations together."""
    now, account_id = context.services().clock(), context.account_id()
    with context.views() as conn:
        row = _app(conn, client_ref)
        return {
            "people": row.users,
            "days": queries.app_days(conn, account_id, row.fingerprint, now.date(), query["days"]),
            "scopes": queries.scope_use(conn, account_id, row.fingerprint, now - timedelta(days=query["days"])),
        }


@blueprint.route("/integrations/<client_ref>/approval-requests")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.ApprovalRequests)
def list_approval_requests(_: dict[str, Any], client_ref: str) -> Any:
    """List who asked the admins for an app, with their reasons."""
    with context.views() as conn:
        row = _app(conn, client_ref)
        return {"data": integrations.approval_requests(conn, context.account_id(), [row.fingerprint])}
