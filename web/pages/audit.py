"""The audit log: filtered by the URL, older and newer by position, an event opened in place, exports of exactly what is filtered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from flask import Blueprint, Response, request, url_for

from domain.errors import InvalidInput, NotFound
from infrastructure.past.reuse import reuses_of
from infrastructure.store.reader import read_rows
from projections.audit_log import queries
from projections.audit_log.queries import AuditEntry
from projections.integrations.queries import integration, used_last
from projections.members.queries import find_members
from projections.sessions import queries as sessions
from web.pages import audit_proofs, audit_views, context, session_views
from web.pages.app_words import plain_name
from web.pages.audit_export import SUFFIXES, WITH_MANIFEST, Export
from web.pages.audit_models import AuditView, OpenedEvent
from web.pages.audit_sentences import Known
from web.pages.formatting import counted
from web.pages.frame import settings_page
from web.pages.key_changes import with_keys
from web.pages.models import Pager, Step
from web.pages.people import matching, names
from web.pages.session import for_readers, signed_in

blueprint = Blueprint("audit", __name__, url_prefix="/audit")

_HERE: Final = "settings.audit.list"
_FARTHEST: Final = 2**62
_PEOPLE: Final = 5
_READ: Final = 500
_APPS: Final = 100
_EXPORTS: Final = (("CSV", "csv"), ("JSON Lines", "jsonl"), ("OCSF", "ocsf"), ("With proofs", "zip"))
Rows = list[AuditEntry]


@blueprint.get("", endpoint="list")
@for_readers
def list_all() -> str:
    return _page(before=_position(request.args.get("before", "")), after=_position(request.args.get("after", "")))


@blueprint.get("/<int:position>")
@for_readers
def detail(position: int) -> str:
    """The list from this event on, with the event opened."""
    if position > _FARTHEST:
        raise NotFound("There is no such event.")
    return _page(before=position + 1, open_at=position)


@blueprint.get("/<int:position>.<any(leaf, 'tlog-proof'):part>")
@for_readers
def proof(position: int, part: str) -> Response:
    """The event's bytes, or what proves that the log holds them."""
    if position > _FARTHEST:
        raise NotFound("There is no such event.")
    with context.views() as conn:
        return audit_proofs.file(conn, context.account_id(), position, part)


@blueprint.get("/export.<any(csv, jsonl, ocsf, zip, 'csv.zip', 'jsonl.zip', 'ocsf.zip'):kind>")
@for_readers
def export(kind: str) -> Response:
    """Exactly what the filters find, as a file; a range longer than the page shows is exported whole. `csv.zip`: the table with a signed manifest."""
    now = context.services().clock()
    found = audit_views.asked(request.args, now, longest=None)
    if found.unread:
        raise InvalidInput(f"Nothing was exported. {' '.join(found.unread)}")
    with context.views() as conn:
        members = _members(conn, context.account_id(), found)[:_PEOPLE]
    person = signed_in()
    entries = WITH_MANIFEST.get(kind, kind)
    file = Export(context.grantbook(), context.account_id(), person.member_id, context.origin(), entries, found, members)
    response = file.response(with_manifest=kind in WITH_MANIFEST)
    suffix = f"{SUFFIXES[entries]}.zip" if kind in WITH_MANIFEST else SUFFIXES[kind]
    response.headers["Content-Disposition"] = f'attachment; filename="audit-{now:%Y-%m-%d}.{suffix}"'
    return response


def _members(conn: Any, account_id: str, found: audit_views.Asked) -> list[str | None]:
    """The people that the filter means; [None] without one."""
    if not found.user:
        return [None]
    return [row.member_id for row in matching(find_members(conn, account_id, text=found.user, limit=_READ), found.user)]


def _apps(conn: Any, account_id: str, chosen: str) -> list[tuple[str, str]]:
    """The apps that the filter offers: those that were used last, and the chosen one. Every other app's own page leads here."""
    offered = [(client_id, plain_name(name)) for client_id, name in used_last(conn, account_id, _APPS)]
    if chosen and chosen not in dict(offered):
        row = integration(conn, account_id, chosen)
        offered += [(chosen, plain_name(row.name))] if row else []
    return offered


def _left_out(found: audit_views.Asked, people: list[str | None]) -> str:
    """Said where the person filter finds more people than are shown; an export then has no others either."""
    return f" Only of the first {_PEOPLE} of {len(people)} people that “{found.user}” finds: type more of the name." if len(people) > _PEOPLE else ""


def _position(text: str) -> int | None:
    return min(int(text), _FARTHEST) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _page(*, before: int | None, after: int | None = None, open_at: int | None = None) -> str:
    account_id, account, now = context.account_id(), context.account(), context.services().clock()
    found = audit_views.asked(request.args, now)
    with context.views() as conn:
        opened = _opened(conn, account_id, open_at) if open_at is not None else None
        people = _members(conn, account_id, found)
        entries = _entries(conn, account_id, found, people[:_PEOPLE], before=before, after=after)
        if after is not None and not entries:
            after, entries = None, _entries(conn, account_id, found, people[:_PEOPLE], before=None, after=None)
        known = Known(names(conn, account_id, entries), account.projects)
        shown = with_keys(conn, audit_views.first_page(entries, from_end=after is not None))
        view = AuditView(
            filters=audit_views.filters(found, _apps(conn, account_id, found.client)),
            filtered=bool(found.given),
            problems=tuple(f"{words} Until then this filter is left out." for words in found.unread),
            range_words=audit_views.range_words(found, now) + _left_out(found, people),
            rows=tuple(audit_views.row(entry, known, found) for entry in shown),
            pager=_pager(found, shown, more=len(entries) > len(shown), before=before, after=after),
            opened=opened,
            close_url=f"{url_for(_HERE)}?{found.query(before=open_at + 1)}" if open_at is not None else "",
            exports=tuple((words, _export_url(kind, found)) for words, kind in _EXPORTS),
            with_manifest=tuple((words, _export_url(f"{kind}.zip", found)) for words, kind in _EXPORTS if f"{kind}.zip" in WITH_MANIFEST),
        )
        titles = ["Audit log"] if open_at is None else [f"Event {open_at:,}", "Audit log"]
        trail = () if open_at is None else (Step("Audit log", url_for(_HERE)),)
        return settings_page("settings/audit/list.html", conn, *titles, here=_HERE, trail=trail, view=view)


def _entries(conn: Any, account_id: str, found: audit_views.Asked, people: list[str | None], *, before: int | None, after: int | None) -> Rows:
    """More than a page where there is more, newest first: both entries of an event may end it."""
    rows = [
        entry
        for member in people
        for entry in queries.entries(
            conn,
            account_id,
            since=found.since,
            until=found.until,
            event_type=found.event_type or None,
            member=member,
            client=found.client or None,
            before_position=before,
            after_position=after,
            limit=audit_views.PAGE_SIZE + 2,
        )
    ]
    return sorted(rows, key=lambda entry: (-entry.position, entry.ordinal))


def _export_url(kind: str, found: audit_views.Asked) -> str:
    return f"{url_for('settings.audit.export', kind=kind)}?{found.query()}".rstrip("?")


def _pager(found: audit_views.Asked, shown: Rows, *, more: bool, before: int | None, after: int | None) -> Pager:
    """Older and newer by position. Whether anything is newer than a page that was reached by its end is only known once it is asked for."""
    has_older, has_newer = more or after is not None, more if after is not None else before is not None
    here = url_for(_HERE)
    older = f"{here}?{found.query(before=shown[-1].position)}" if shown and has_older else ""
    newer = f"{here}?{found.query(after=shown[0].position)}" if shown and has_newer else ""
    return Pager(words=counted(len(shown), "event"), older=older, newer=newer)


def _opened(conn: Any, account_id: str, position: int) -> Any:
    stored = next(iter(read_rows(conn, position - 1, 1)), None)
    if stored is None or str(stored.account_id) != account_id:
        raise NotFound("There is no such event.")
    opened = audit_views.opened(stored, _links(conn, account_id, position), audit_proofs.proof(conn, position))
    return _with_reuse(conn, account_id, stored, opened) if stored.topic == "grant.reuse_detected" else opened


def _with_reuse(conn: Any, account_id: str, stored: Any, opened: OpenedEvent) -> OpenedEvent:
    """Where a spent token came back: what it looks like from both uses, and the rotations up to then."""
    found = reuses_of(context.past(conn), stored.stream_id, stored.position)
    session = sessions.session(conn, account_id, str(stored.stream_id), ticks_since=stored.at - session_views.WEEK)
    strip = None if session is None else session_views.strip_until(session, stored.at)
    return replace(opened, told=found[-1].words if found else "", strip=strip)


def _links(conn: Any, account_id: str, position: int) -> tuple[tuple[str, str], ...]:
    """Where the event leads: its session and its app."""
    entry = next(iter(queries.entry(conn, account_id, position)), None)
    if entry is None:
        return ()
    session = ("Session", url_for("settings.sessions.detail", grant_id=entry.grant_id)) if entry.grant_id else None
    app = ("App", url_for("settings.integrations.detail", page_id=entry.client_stream)) if entry.client_stream else None
    return tuple(link for link in (session, app) if link)
