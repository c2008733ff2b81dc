"""The audit log, and what protected resources report into it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from flask import request

from application import record_action
from application.lookups import as_uuid, stream_of
from application.services import Origin
from domain.errors import InvalidInput, NotFound
from domain.grant import Grant
from projections.audit_log import queries
from web.api import context, paging
from web.api.blueprints import new_blueprint
from web.api.guard import reads, reports
from web.api.preconditions import changing
from web.pages.audit_export import Export
from web.pages.audit_views import Asked
from web.schemas import audit as shapes
from web.schemas.common import ReadQuery

blueprint = new_blueprint("audit", "Everything that happened, and what resources report.")

_ENTRIES: Final = "entries"
_EXPORTED: Final = ("application/jsonl", "text/csv", "application/zip")
_MISSING: Final = "There is no such session for this resource."
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


@blueprint.route("/audit/entries")
@reads()
@blueprint.arguments(shapes.EntryQuery, location="query")
@blueprint.response(200, shapes.EntryPage)
def list_entries(query: dict[str, Any]) -> Any:
    """List audit entries, newest first. The two entries of one event are never split between pages."""
    limit, (since, until) = query["limit"], _times(query)
    with context.views() as conn:
        found = queries.entries(
            conn,
            context.account_id(),
            since=since,
            until=until,
            event_type=query["event_type"] or None,
            member=str(query["member_id"]) if "member_id" in query else None,
            client=query.get("client"),
            grant_id=str(query["grant_id"]) if "grant_id" in query else None,
            before_position=paging.after(_ENTRIES, query.get("cursor")),
            limit=limit,
        )
    cursor = paging.cursor(_ENTRIES, found[-1].position) if len(found) >= limit else None
    return {"data": [entry.as_record() for entry in found], "next_cursor": cursor}


def _times(query: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    """The stretch of time asked for; `InvalidInput` where it ends before it begins."""
    since, until = _clamped(query["since"]), _clamped(query["until"])
    if since is not None and until is not None and until < since:
        raise InvalidInput("The end (until) comes before the beginning (since).", field="until")
    return since, until


def _clamped(moment: datetime | None) -> datetime | None:
    """Within what the log can hold; offsets at the ends of time count, too."""
    if moment is None:
        return None
    return min(max(moment, _EARLIEST), _LATEST)


@blueprint.route("/audit/export")
@reads()
@blueprint.doc(
    responses={
        "200": {
            "content": {kind: {"schema": {"type": "string", "examples": ["..."]}} for kind in ("application/jsonl", "text/csv", "application/zip")}
        }
    }
)
@blueprint.arguments(shapes.ExportQuery, location="query")
@blueprint.response(200)
def export_entries(query: dict[str, Any]) -> Any:
    """Export all entries that the filters find, streamed. The export is itself recorded: by whom, with which filters, how many."""
    kind, caller = query.get("format", "jsonl"), context.caller()
    since, until = _times(query)
    first, last = query.get("from_position"), query.get("to_position")
    if first is not None and last is not None and last < first:
        raise InvalidInput(f"The last event (to_position {last}) comes before the first (from_position {first}).", field="to_position")
    found = Asked(
        since=since or _EARLIEST, until=until or _LATEST, event_type=query.get("event_type", ""), user="", client=query.get("client", ""), given={},
    )  # fmt: skip
    members = [str(query["member_id"]) if "member_id" in query else None]
    file = Export(
        context.grantbook(), caller.account_id, caller.member_id, context.origin(), kind, found, members,
        from_position=first, to_position=last, personal=query.get("personal") == "true",
    )  # fmt: skip
    return file.response(with_manifest=query.get("manifest") == "true")


@blueprint.route("/audit/entries/<entry_id>")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.Entry)
def show_entry(_: dict[str, Any], entry_id: str) -> Any:
    """Show one entry."""
    position, dash, ordinal = entry_id.partition("-")
    known = dash and position.isascii() and position.isdigit() and len(position) <= 18 and ordinal in ("1", "2")
    if known:
        with context.views() as conn:
            found = queries.entry(conn, context.account_id(), int(position))
        for entry in found:
            if entry.id == entry_id:
                return entry.as_record()
    raise NotFound("There is no such entry.")


@blueprint.route("/audit/actions", methods=["POST"])
@reports
@blueprint.arguments(shapes.Action)
@blueprint.response(204)
def report_action(body: dict[str, Any]) -> Any:
    """Report what a member did through a client at your resource. Called with the resource's introspection credentials."""
    reporter = context.reporter()
    account_id, identifier = reporter.account_id, reporter.resource.identifier
    services = changing()
    grant = stream_of(services, Grant, as_uuid(body["grant_id"]), account_id, missing=_MISSING)
    if grant.resource != identifier:
        raise NotFound(_MISSING)
    scope = body.get("scope")
    if scope is not None and scope not in reporter.resource.scopes:
        raise InvalidInput("This is no scope of this resource.", field="scope")
    recorded = record_action.record(
        services, account_id, member_id=grant.member_id, client_stream=grant.for_client, client_id=grant.client_id, grant_id=str(grant.id),
        resource=identifier, operation=body["operation"], scope=scope, projects=tuple(body.get("projects", ())), outcome=body["outcome"],
        detail=body.get("detail"), origin=Origin("api", None, request.headers.get("User-Agent")),
    )  # fmt: skip
    context.did(recorded)
