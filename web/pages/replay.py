"""Replay: who could reach what at any moment of the past, and what changed from there to a later one, or to now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from infrastructure.past.moments import Connection, Moment, head, moment_at, moment_of
from web.pages import context, replay_views
from web.pages.frame import settings_page
from web.pages.replay_views import Span
from web.pages.session import for_readers

blueprint = Blueprint("replay", __name__, url_prefix="/replay")

_HERE: Final = "settings.replay.show"
_KEPT: Final = ("user", "project", "changes")
_LONGEST: Final = 200
_DIGITS: Final = 18
_MOMENT: Final = ("date", "time", "was", "position")
_UNTIL: Final = ("until_date", "until_time", "until_was", "until")


@blueprint.get("")
@for_readers
def show() -> Response | str:
    """The sliders give positions; dates and times lead to some, so that a link keeps its meaning. Without `until` it is compared with now."""
    given = {name: request.args[name][:_LONGEST] for name in _KEPT if request.args.get(name)}
    with context.views() as conn:
        if request.args.get("date") or request.args.get("until_date"):
            return _by_time(conn, given)
        span, problems = _chosen(conn)
        view = replay_views.replay(context.past(conn), context.account(), span, given, only_changes=given.get("changes") == "only")
        return settings_page("settings/replay.html", conn, "Replay", here=_HERE, view=view, problems=problems)


def _chosen(conn: Connection) -> tuple[Span, tuple[str, ...]]:
    """The two moments asked for, or the nearest there are, and what was wrong."""
    now, until = Moment(head(conn), context.services().clock()), request.args.get("until", "")
    moment, wrong = _moment(conn, request.args.get("position", ""), now, "so this is now")
    later, wrong_later = _moment(conn, until, now, "so it is compared with now")
    problems = [words for words in (wrong, wrong_later) if words]
    if later.position < moment.position:
        moment, later = later, moment
        problems.append("The later moment came first, so the two changed places.")
    kept = str(later.position) if until and not wrong_later else ""
    return Span(moment, later, now, kept), tuple(problems)


def _moment(conn: Connection, text: str, now: Moment, instead: str) -> tuple[Moment, str | None]:
    if not text:
        return now, None
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        return now, f"No event has such a number, {instead}."
    position = int(text)
    if position == now.position:
        return now, None
    if position > now.position:
        return now, f"There is no event {position:,} yet, {instead}."
    found = moment_of(conn, position)
    if found is None:
        first = moment_of(conn, 1)
        return first or now, "Events begin with 1, so this is the first moment there is."
    return found, None


def _by_time(conn: Connection, given: dict[str, str]) -> Response:
    position, until = _position(conn, *_MOMENT), _position(conn, *_UNTIL)
    return redirect(replay_views.address(position, {**({"until": until} if until else {}), **given}), 303)


def _position(conn: Connection, date: str, time: str, was: str, otherwise: str) -> str:
    """The position at a date and time (`?` where they are none), or the one that was given instead of them.

    `was` is the position that the form showed in whole seconds: if its date and time weren't changed, it stays.
    """
    if not request.args.get(date):
        return request.args.get(otherwise, "")[:_LONGEST]
    try:
        wanted = datetime.fromisoformat(f"{request.args[date]}T{request.args.get(time) or '00:00'}").replace(tzinfo=UTC)
    except ValueError:
        return "?"
    text = request.args.get(was, "")
    shown = moment_of(conn, int(text)) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None
    return text if shown is not None and shown.at.replace(microsecond=0) == wanted else str(moment_at(conn, wanted).position)
