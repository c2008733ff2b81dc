"""Consents: one's own and all, narrowed and withdrawn."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from application import end_consent
from application.lookups import as_uuid, stream_of
from domain.base import Stream
from domain.consent import Consent
from domain.errors import NotFound
from domain.extent import Projects
from domain.scopes import OFFLINE_ACCESS
from projections.consents import queries
from web.api import bodies, context, paging
from web.api.blueprints import new_blueprint
from web.api.context import actor
from web.api.guard import manages, reads
from web.api.people_lists import serve_lists
from web.api.preconditions import TagOf, changing, tag
from web.api.sessions import fingerprint_of
from web.schemas import access as shapes
from web.schemas.common import ReadQuery, ReasonQuery

blueprint = new_blueprint("consents", "What people allow apps to do.")

_CONSENTS: Final = "consents"
_MISSING: Final = "There is no such consent."
_SAID: Final[dict[str | None, bool | None]] = {"true": True, "false": False, None: None}


def _listed(query: dict[str, Any], member_id: str | None) -> dict[str, Any]:
    with context.views() as conn:
        rows = queries.list_consents(
            conn,
            context.account_id(),
            member_id=member_id,
            fingerprint=fingerprint_of(conn, query.get("client")),
            in_force=_SAID[query.get("in_force")],
            before=paging.after(_CONSENTS, query.get("cursor")),
            limit=query["limit"] + 1,
        )
    page = paging.page(_CONSENTS, rows, query["limit"], lambda row: row.changed_position)
    return {**page, "data": [bodies.consent_row(row) for row in page["data"]]}


serve_lists(
    blueprint,
    "consents",
    shapes.ConsentQuery,
    shapes.ConsentPage,
    _listed,
    words="List consents, last changed first.",
    own_words="List what you allow apps to do.",
)


def _state(consent_id: str) -> Consent:
    return stream_of(context.services(), Consent, as_uuid(consent_id), context.account_id(), missing=_MISSING)


def _tag(consent_id: UUID) -> TagOf:
    def current(stream: Stream) -> str | None:
        return tag("consent", stream.version) if isinstance(stream, Consent) and stream.id == consent_id else None

    return current


def _one(consent_id: str) -> dict[str, Any]:
    state = _state(consent_id)
    with context.views() as conn:
        row = queries.consent(conn, context.account_id(), str(state.id))
    if row is None:
        raise NotFound(_MISSING)
    context.tagged(tag("consent", state.version))
    return bodies.consent(state, row)


@blueprint.route("/consents/<consent_id>")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.Consent)
def show_consent(_: dict[str, Any], consent_id: str) -> Any:
    """Show one consent."""
    return _one(consent_id)


@blueprint.route("/consents/<consent_id>", methods=["PATCH"])
@manages("consents.narrow", conditional=True)
@blueprint.arguments(shapes.Narrowing)
@blueprint.response(200, shapes.Consent)
def narrow_consent(body: dict[str, Any], consent_id: str) -> Any:
    """Take a part back, felt by the next request of every session; never adds anything."""
    state = _state(consent_id)
    kept = [code for code in state.scopes if code == OFFLINE_ACCESS or code in body.get("scopes", state.scopes)]
    wider = [code for code in body.get("scopes", ()) if code not in state.scopes]
    named = body.get("projects", None if state.projects.holds_all() else tuple(state.projects.named))
    projects: Projects = "*" if named is None else tuple(named)
    services = changing(_tag(state.id))
    context.did(end_consent.narrow(services, context.account_id(), consent_id, scopes=[*kept, *wider], projects=projects, **actor()))
    return _one(consent_id)


@blueprint.route("/consents/<consent_id>", methods=["DELETE"])
@manages("consents.withdraw")
@blueprint.arguments(ReasonQuery, location="query")
@blueprint.response(204)
def withdraw_consent(query: dict[str, Any], consent_id: str) -> Any:
    """Take all of it back and end its sessions for good."""
    state = _state(consent_id)
    services = changing(_tag(state.id))
    context.did(end_consent.withdraw(services, context.account_id(), consent_id, reason=query.get("reason"), **actor()))
