"""Sessions: list, show, revoke one, all of a person, all of an app."""

from __future__ import annotations

from typing import Any, Final

from application import revoke_grant
from domain.errors import InvalidInput, NotFound
from projections.integrations.queries import integration
from projections.literals import uuid_or_none
from projections.sessions import queries
from web.api import context, paging
from web.api.blueprints import new_blueprint
from web.api.context import actor
from web.api.guard import manages, reads
from web.api.people_lists import serve_lists
from web.api.preconditions import changing
from web.schemas import access as shapes
from web.schemas.common import ReadQuery, ReasonQuery
from web.told_sessions import with_reuse

blueprint = new_blueprint("sessions", "What people let apps do right now, and ending it.")

_SESSIONS: Final = "sessions"
_STATES: Final[dict[str, bool | None]] = {"active": True, "ended": None, "all": False}
_AT_ONCE: Final = 200
NOBODY: Final = "no such app"


def fingerprint_of(conn: Any, client_ref: str | None) -> str | None:
    """The app that a filter names; one that nobody has for an unknown one."""
    if not client_ref:
        return None
    row = integration(conn, context.account_id(), client_ref)
    return NOBODY if row is None else row.fingerprint


def _listed(query: dict[str, Any], member_id: str | None) -> dict[str, Any]:
    with context.views() as conn:
        rows = queries.list_sessions(
            conn,
            context.account_id(),
            member_id=member_id,
            fingerprint=fingerprint_of(conn, query.get("client")),
            scope=query.get("scope"),
            project=query.get("project"),
            live_only=_STATES[query.get("state", "active")],
            before=paging.after(_SESSIONS, query.get("cursor")),
            limit=query["limit"] + 1,
        )
    page = paging.page(_SESSIONS, rows, query["limit"], lambda row: row.created_position)
    if query.get("state", "active") == "active":
        page["data"] = [row for row in page["data"] if row.status == "active"]  # codes that wait for their exchange are none yet
    with context.views() as conn:
        page["data"] = with_reuse(context.grantbook(), conn, context.account_id(), page["data"])
    return page


serve_lists(
    blueprint,
    "sessions",
    shapes.SessionQuery,
    shapes.SessionPage,
    _listed,
    words="List sessions, newest first. A page may hold fewer than `limit`; only `next_cursor` tells whether it is the last.",
    own_words="List your own active sessions.",
)


@blueprint.route("/sessions/<grant_id>")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.Session)
def show_session(_: dict[str, Any], grant_id: str) -> Any:
    """Show one session, ended or not."""
    with context.views() as conn:
        found = queries.session(conn, context.account_id(), grant_id) if uuid_or_none(grant_id) else None
        if found is None:
            raise NotFound("There is no such session.")
        return with_reuse(context.grantbook(), conn, context.account_id(), [found])[0]


@blueprint.route("/sessions/<grant_id>", methods=["DELETE"])
@manages("sessions.revoke")
@blueprint.arguments(ReasonQuery, location="query")
@blueprint.response(204)
def revoke_session(query: dict[str, Any], grant_id: str) -> Any:
    """End a session. Nothing is issued for it after this answer. Ending it again changes nothing."""
    reason = query.get("reason")
    context.did(revoke_grant.revoke(changing(), context.account_id(), grant_id, by="admin", reason=reason, **actor()))


@blueprint.route("/sessions/revoke", methods=["POST"])
@manages("sessions.revoke_many")
@blueprint.arguments(shapes.RevokeMany)
@blueprint.response(200, shapes.Revoked)
def revoke_sessions(body: dict[str, Any]) -> Any:
    """End all sessions of a person, of an app, or of a person with an app: up to 200 by one call, the newest first."""
    if not body.get("member_id") and not body.get("client"):
        raise InvalidInput("Name a member_id, a client, or both.", field="member_id")
    with context.views() as conn:
        rows = queries.list_sessions(
            conn, context.account_id(), member_id=str(body["member_id"]) if "member_id" in body else None,
            fingerprint=fingerprint_of(conn, body.get("client")), limit=_AT_ONCE + 1,
        )  # fmt: skip
    grants = [row.grant_id for row in rows[:_AT_ONCE]]
    ended, recorded = revoke_grant.revoke_several(changing(), context.account_id(), grants, reason=body.get("reason"), **actor())
    context.did(recorded)
    return {"revoked": ended, "remaining": len(rows) > _AT_ONCE}
