"""Members: list, add, role, permissions, what a change would take, deactivate and reactivate, password, sign-ins."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from flask import url_for

from application import browser_sessions, foresee, manage_members
from application.identity_ports import NO_LOGIN, SignsInWith
from application.lookups import member_of
from application.manage_members import Decision
from domain.base import Stream
from domain.errors import InvalidInput, NotFound, Refused
from domain.member import Member
from domain.roles import PERMISSIONS
from projections.members import queries
from projections.sessions.queries import list_sessions
from web.api import bodies, context, paging
from web.api.blueprints import new_blueprint
from web.api.context import actor
from web.api.guard import manages, reads
from web.api.preconditions import TagOf, changing, tag
from web.schemas import access as shapes
from web.schemas.common import ReadQuery, Reason

blueprint = new_blueprint("members", "People, their roles and permissions.")

_MEMBERS: Final = "members"
AT_ONCE: Final = 100
"""How many of the newest live sessions a preview looks at."""
_SAID: Final[dict[str | None, bool | None]] = {"true": True, "false": False, None: None}


def _state(member_id: str) -> Member:
    return member_of(context.services(), context.account_id(), member_id)


def _tag(member_id: UUID) -> TagOf:
    def current(stream: Stream) -> str | None:
        return tag("member", stream.version) if isinstance(stream, Member) and stream.id == member_id else None

    return current


def _signing_in(member_ids: list[str]) -> dict[str, SignsInWith]:
    return context.services().store.tables().signing_in(context.account_id(), member_ids)


def _one(member_id: str) -> dict[str, Any]:
    state = _state(member_id)
    context.tagged(tag("member", state.version))
    with context.views() as conn:
        row = queries.member(conn, context.account_id(), str(state.id))
    return bodies.member(state, row, _signing_in([str(state.id)]).get(str(state.id), NO_LOGIN))


def _changed(member_id: str, change: Any, *arguments: Any, **more: Any) -> dict[str, Any]:
    state = _state(member_id)
    context.did(change(changing(_tag(state.id)), context.account_id(), state.id, *arguments, **more, **actor()))
    return _one(member_id)


@blueprint.route("/members")
@reads()
@blueprint.arguments(shapes.MemberQuery, location="query")
@blueprint.response(200, shapes.MemberPage)
def list_members(query: dict[str, Any]) -> Any:
    """List the members in the order they were added."""
    after = paging.after(_MEMBERS, query.get("cursor"))
    with context.views() as conn:
        rows = queries.list_members(
            conn, context.account_id(), active=_SAID[query.get("active")], text=query.get("text"), role=query.get("role"), after=after,
            limit=query["limit"] + 1,
        )  # fmt: skip
    page = paging.page(_MEMBERS, rows, query["limit"], lambda row: row.added_position)
    kinds = _signing_in([row.member_id for row in page["data"]])
    return {**page, "data": [bodies.member_row(row, kinds.get(row.member_id, NO_LOGIN)) for row in page["data"]]}


@blueprint.route("/members", methods=["POST"])
@manages("members.add")
@blueprint.arguments(shapes.NewMember)
@blueprint.response(201, shapes.Member)
def add_member(body: dict[str, Any]) -> Any:
    """Add a member."""
    facts = {**body, "projects": body.get("projects") or ()}
    added = manage_members.add_member(changing(), context.account_id(), **facts, **actor())
    context.did(added.recorded)
    return _one(str(added.member_id)), 201, {"Location": url_for("api_members.show_member", member_id=added.member_id)}


@blueprint.route("/members/<member_id>")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.Member)
def show_member(_: dict[str, Any], member_id: str) -> Any:
    """Show one member."""
    return _one(member_id)


@blueprint.route("/members/<member_id>", methods=["PATCH"])
@manages("members.role", conditional=True)
@blueprint.arguments(shapes.RoleChange)
@blueprint.response(200, shapes.Member)
def change_role(body: dict[str, Any], member_id: str) -> Any:
    """Give a member another role; what is lost is felt by the next request."""
    return _changed(member_id, manage_members.change_role, body["role"], projects=body.get("projects") or ())


def _permission(name: str) -> str:
    if name not in PERMISSIONS:
        raise NotFound(f"There is no such permission. Permissions: {', '.join(PERMISSIONS)}.")
    return name


@blueprint.route("/members/<member_id>/permissions/<permission>", methods=["PUT"])
@manages("members.permit", conditional=True)
@blueprint.arguments(shapes.Permit, required=False)
@blueprint.response(200, shapes.Member)
def permit_member(body: dict[str, Any], member_id: str, permission: str) -> Any:
    """Grant one permission beside the role."""
    return _changed(member_id, manage_members.permit, _permission(permission), projects=body.get("projects") or ())


@blueprint.route("/members/<member_id>/permissions/<permission>", methods=["DELETE"])
@manages("members.forbid")
@blueprint.arguments(shapes.ForbidQuery, location="query")
@blueprint.response(200, shapes.Member)
def forbid_member(query: dict[str, Any], member_id: str, permission: str) -> Any:
    """Take one permission away, felt by the next request."""
    return _changed(member_id, manage_members.forbid, _permission(permission), projects=query.get("project", ()))


@blueprint.route("/members/<member_id>/deactivate", methods=["POST"])
@manages("members.deactivate")
@blueprint.arguments(Reason, required=False)
@blueprint.response(200, shapes.Member)
def deactivate_member(body: dict[str, Any], member_id: str) -> Any:
    """End everything of a member at once: sessions, browser sessions, sign-ins to come."""
    return _changed(member_id, manage_members.deactivate, reason=body.get("reason"))


@blueprint.route("/members/<member_id>/reactivate", methods=["POST"])
@manages("members.reactivate")
@blueprint.arguments(Reason, required=False)
@blueprint.response(200, shapes.Member)
def reactivate_member(body: dict[str, Any], member_id: str) -> Any:
    """Let a deactivated member act again; what ended stays ended."""
    return _changed(member_id, manage_members.reactivate, reason=body.get("reason"))


@blueprint.route("/members/<member_id>/password", methods=["POST"])
@manages("members.password")
@blueprint.arguments(shapes.NewPassword)
@blueprint.response(204)
def set_password(body: dict[str, Any], member_id: str) -> Any:
    """Set a member's password and end their browser sessions."""
    email = bodies.member(_state(member_id), None)["email"]
    if email is None:
        raise Refused("This person was erased. Add them again as a new member.")
    _changed(member_id, manage_members.set_password, email, body["password"])
    context.untagged()


@blueprint.route("/members/<member_id>/end-sign-ins", methods=["POST"])
@manages("members.end_sign_ins")
@blueprint.response(200, shapes.EndedSignIns)
def end_sign_ins(member_id: str) -> Any:
    """End all browser sessions of a member; the apps that they have connected stay connected."""
    recorded, count = browser_sessions.end_sessions_of(changing(), context.account_id(), _state(member_id).id, **actor())
    context.did(recorded)
    return {"ended": count}


@blueprint.route("/members/<member_id>/preview")
@reads()
@blueprint.arguments(shapes.PreviewQuery, location="query")
@blueprint.response(200, shapes.Preview)
def preview(query: dict[str, Any], member_id: str) -> Any:
    """Tell what a change would take from the member's live sessions, without making it. What would be refused is refused here, too."""
    state = _state(member_id)
    with context.views() as conn:
        rows = list_sessions(conn, context.account_id(), member_id=str(state.id), limit=AT_ONCE + 1)
    grants = [row.grant_id for row in rows[:AT_ONCE] if row.status == "active"]
    found = foresee.of_member(context.services(), state, _decision(query), grants, actor_id=context.caller().member_id)
    return bodies.foreseen(found, more=len(rows) > AT_ONCE)


def _decision(query: dict[str, Any]) -> Decision:
    services, account_id, projects = context.services(), context.account_id(), query.get("project", ())
    if query["deed"] == "deactivate":
        return manage_members.deactivation(services, account_id, **actor())
    named = query.get("role" if query["deed"] == "role" else "permission")
    if named is None:
        raise InvalidInput("Name what it is about.", field="role" if query["deed"] == "role" else "permission")
    if query["deed"] == "role":
        return manage_members.role_change(services, account_id, named, projects=projects, **actor())
    return manage_members.permission_change(services, account_id, Member.forbid, named, projects=projects, **actor())
