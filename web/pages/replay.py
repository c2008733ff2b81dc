"""Replay: who could reach what at any moment of the past, and what changed from there to a later one, or to now."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from infrastructure.past.moments import Connection, Moment, head
from web.pages import context, replay_asking, replay_views
from web.pages.frame import settings_page
from web.pages.replay_asking import FROM, UNTIL
from web.pages.replay_views import Span
from web.pages.session import for_readers

blueprint = Blueprint("replay", __name__, url_prefix="/replay")

_HERE: Final = "settings.replay.show"


@blueprint.get("")
@for_readers
def show() -> Response | str:
    """The sliders give positions; dates and times lead to some, so that a link keeps its meaning. Without `until` it is compared with now."""
    with context.views() as conn:
        now = Moment(head(conn), context.services().clock())
        position, wrong = replay_asking.position(conn, request.args, FROM, now)
        until, wrong_later = replay_asking.position(conn, request.args, UNTIL, now)
        unread = tuple(words for words in (wrong, wrong_later) if words)
        span, problems = _chosen(conn, now, position, until)
        narrowed = replay_asking.narrowed(conn, request.args, span.moment, span.later)
        if replay_asking.timed(request.args) and not unread:
            return redirect(replay_views.address(position, {**({"until": until} if until else {}), **narrowed.given}), 303)
        view = replay_views.replay(context.past(conn), context.account(), span, narrowed)
        return settings_page("settings/replay.html", conn, "Replay", here=_HERE, view=view, problems=(*narrowed.problems, *unread, *problems))


def _chosen(conn: Connection, now: Moment, position: str, until: str) -> tuple[Span, tuple[str, ...]]:
    """The two moments asked for, or the nearest there are, and what was wrong."""
    moment, wrong = replay_asking.moment(conn, position, now, FROM)
    later, wrong_later = replay_asking.moment(conn, until, now, UNTIL)
    problems = [words for words in (wrong, wrong_later) if words]
    if later.position < moment.position:
        moment, later = later, moment
        problems.append("The later moment came first, so the two changed places.")
    kept = str(later.position) if until and not wrong_later else ""
    return Span(moment, later, now, kept), tuple(problems)
