"""Who could do what, at any moment of the past."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.errors import InvalidInput
from infrastructure.past.answers import Past
from infrastructure.past.holders import Asked, Holders
from infrastructure.past.moments import Connection, Moment, head, is_to_come, moment_at, moment_of
from web.api import context
from web.api.blueprints import new_blueprint
from web.api.guard import reads
from web.asking import TO_COME, client_asked, named_asked
from web.differences import compare, differences
from web.schemas import past as shapes

blueprint = new_blueprint("access", "Who could do what, now or at any moment of the past, and because of which events.")


@blueprint.route("/access")
@reads()
@blueprint.arguments(shapes.AccessQuery, location="query")
@blueprint.response(200, shapes.Access)
def show_access(query: dict[str, Any]) -> Any:
    """Show who could do what at a moment: judged by the rule that decides today, over states rebuilt from the events up to then."""
    with context.views() as conn:
        past, moment = _past(conn), _moment(conn, query)
        found = Holders(conn, past.mapper, past.keyring, past.account_id).at(moment, _asked(past, query, moment))
    return {"position": moment.position, "at": moment.at, "data": found}


@blueprint.route("/access/difference")
@reads()
@blueprint.arguments(shapes.DifferenceQuery, location="query")
@blueprint.response(200, shapes.AccessDifference)
def show_difference(query: dict[str, Any]) -> Any:
    """Show whose access changed between two moments, how, and by which events: both sides judged as `/access` judges one.

    An answer explains 500 people and apps at most, over as many events as a few seconds allow; a larger one is refused and says by what to narrow it.
    """
    if query.get("at") is None and query.get("position") is None:
        raise InvalidInput("Give the earlier moment, as a time or as a position.", field="at")
    with context.views() as conn:
        past, earlier = _past(conn), _moment(conn, query)
        later = _moment(conn, {"at": query.get("until"), "position": query.get("until_position")}, "until_position")
        if later.precedes(earlier):
            raise InvalidInput("The later moment comes before the earlier one.", field="until")
        found = differences(compare(past, earlier, later, _asked(past, query, earlier, later)), "member_id, client, project_id or scope")
    return {"position": earlier.position, "at": earlier.at, "until_position": later.position, "until": later.at, "data": found}


def _past(conn: Connection) -> Past:
    app = context.grantbook()
    return Past(conn, app.store.mapper, app.keyring, context.account_id())


def _asked(past: Past, query: dict[str, Any], *moments: Moment) -> Asked:
    project, scope = named_asked(
        context.services(), past, moments, project=query.get("project_id"), scope=query.get("scope"), project_field="project_id"
    )
    return Asked(
        member_id=str(query["member_id"]) if "member_id" in query else None,
        client_stream=client_asked(context.services(), past.account_id, query["client"]) if "client" in query else None,
        project_id=project,
        scope=scope,
    )


def _moment(conn: Connection, query: Mapping[str, Any], field: str = "position") -> Moment:
    at, position = query.get("at"), query.get("position")
    if at is not None and position is not None:
        raise InvalidInput("Ask for a time or for a position, not for both.", field=field)
    if at is not None:
        if is_to_come(at, context.services().clock()):
            raise InvalidInput(TO_COME, field="at" if field == "position" else "until")
        return moment_at(conn, at)
    if position is None:
        return Moment(head(conn), context.services().clock())
    found = moment_of(conn, position)
    if found is None:
        raise InvalidInput(f"There is no event {position} yet.", field=field)
    return found
