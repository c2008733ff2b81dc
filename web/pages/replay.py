"""Replay: who could reach what at any moment of the past, and what changed since."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from infrastructure.past.holders import Holders
from infrastructure.past.moments import Connection, Moment, head, moment_at, moment_of
from web.pages import context, replay_views
from web.pages.frame import settings_page
from web.pages.session import for_readers

blueprint = Blueprint("replay", __name__, url_prefix="/replay")

_HERE: Final = "settings.replay.show"
_KEPT: Final = ("user", "project", "changes")
_LONGEST: Final = 200


@blueprint.get("")
@for_readers
def show() -> Response | str:
    """The slider gives a position; date and time lead to one, so that a link keeps its meaning."""
    given = {name: request.args[name][:_LONGEST] for name in _KEPT if request.args.get(name)}
    with context.views() as conn:
        if request.args.get("date"):
            return _by_time(conn, request.args["date"], request.args.get("time") or "00:00", given)
        now = Moment(head(conn), context.services().clock())
        moment, problem = _chosen(conn, request.args.get("position", ""), now)
        app, account = context.grantbook(), context.account()
        holders = Holders(conn, app.store.mapper, app.keyring, str(account.id))
        view = replay_views.replay(conn, holders, account, moment, now, given, only_changes=given.get("changes") == "only")
        return settings_page("settings/replay.html", conn, "Replay", here=_HERE, view=view, problem=problem)


def _chosen(conn: Connection, text: str, now: Moment) -> tuple[Moment, str | None]:
    """The moment asked for, or the nearest there is, and what was wrong."""
    if not text:
        return now, None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        return now, "No event has such a number, so this is now."
    position = int(text)
    if position == now.position:
        return now, None
    if position > now.position:
        return now, f"There is no event {position:,} yet, so this is now."
    found = moment_of(conn, position)
    if found is None:
        first = moment_of(conn, 1)
        return first or now, "Events begin with 1, so this is the first moment there is."
    return found, None


def _by_time(conn: Connection, date: str, time: str, given: dict[str, str]) -> Response:
    try:
        wanted = datetime.fromisoformat(f"{date}T{time}").replace(tzinfo=UTC)
    except ValueError:
        return redirect(replay_views.address("?", given), 303)
    return redirect(replay_views.address(moment_at(conn, wanted).position, given), 303)
