"""Erasing a member, exporting what is kept about one, and legal holds."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from application import erase_member, holds
from application.lookups import member_of
from web.api import bodies, context
from web.api.blueprints import new_blueprint
from web.api.context import actor
from web.api.guard import manages, reads
from web.api.preconditions import changing
from web.member_export import ZIP, exported, file_name
from web.schemas import access, erasure
from web.schemas.common import ReadQuery

blueprint = new_blueprint("erasure", "The right to be forgotten, the right to know what is kept, and legal holds.")


@blueprint.route("/members/<member_id>/erase", methods=["POST"])
@manages("members.erase")
@blueprint.arguments(erasure.Erasure, required=False)
@blueprint.response(200, access.Member)
def erase(body: dict[str, Any], member_id: str) -> Any:
    """Destroy what is kept about a member; their past stays provable under their id. There is no way back. Refused under a legal hold."""
    state = member_of(context.services(), context.account_id(), member_id)
    context.did(erase_member.erase(changing(), context.account_id(), state.id, request=body.get("request"), **actor()))
    return bodies.member(member_of(context.services(), context.account_id(), state.id), None)


@blueprint.route("/members/<member_id>/export", methods=["POST"])
@manages("members.export")
@blueprint.doc(responses={"200": {"content": {ZIP: {"schema": {"type": "string", "examples": ["..."]}}}}})
@blueprint.response(200)
def export(member_id: str) -> Any:
    """Export all that is kept about a member as a signed bundle. That it was taken is recorded."""
    state = member_of(context.services(), context.account_id(), member_id)
    content = exported(context.grantbook(), changing(), context.account_id(), state.id, **actor())
    disposition = f'attachment; filename="{file_name(state.id)}"'
    return Response(content, content_type=ZIP, headers={"Content-Disposition": disposition})


@blueprint.route("/holds")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, erasure.Holds)
def list_holds(_: dict[str, Any]) -> Any:
    """List the legal holds that stand."""
    return {"data": [_hold(one) for one in holds.standing(context.services(), context.account_id())]}


@blueprint.route("/holds", methods=["POST"])
@manages("holds.place")
@blueprint.arguments(erasure.NewHold)
@blueprint.response(201, erasure.Hold)
def place_hold(body: dict[str, Any]) -> Any:
    """Keep a member's data, or everybody's, until the hold is released."""
    member_id = None if "member_id" not in body else member_of(context.services(), context.account_id(), body["member_id"]).id
    placed = holds.place(changing(), context.account_id(), member_id=member_id, matter=body["matter"], **actor())
    context.did(placed.recorded)
    return next(_hold(one) for one in holds.standing(context.services(), context.account_id()) if one.hold_id == placed.hold_id)


@blueprint.route("/holds/<hold_id>", methods=["DELETE"])
@manages("holds.release")
@blueprint.response(204)
def release_hold(hold_id: str) -> Any:
    """End a legal hold."""
    context.did(holds.release(changing(), context.account_id(), hold_id, **actor()))


def _hold(found: holds.Standing) -> dict[str, Any]:
    return {
        "hold_id": found.hold_id, "member_id": found.member_id, "matter": found.matter, "placed_by": found.by, "placed_at": found.placed_at,
    }  # fmt: skip
