"""Puts a page into its frame: who is signed in, the lag line, notices, the menu; and renders it."""

from __future__ import annotations

from typing import Any

from flask import flash, get_flashed_messages, render_template

from projections.integrations.queries import waiting_count
from projections.status import Lag, lag
from web.pages import context
from web.pages.models import LagLine, Notice, Page, Step, Viewer
from web.pages.people import viewer_of
from web.pages.session import SignedInMember, current_member

BEHIND_AFTER = 5.0
"""Seconds after which the lag line says that the views are behind."""
SILENT_AFTER = 30.0
"""Seconds without a sign of life after which it says that they stopped."""


def lag_line(found: Lag) -> LagLine:
    if found.stopped or (found.seconds > SILENT_AFTER and not found.behind):
        return LagLine(state="stopped", position=found.position, seconds=found.seconds)
    if found.behind and found.seconds > BEHIND_AFTER:
        return LagLine(state="behind", position=found.position, seconds=found.seconds, behind=found.behind)
    return LagLine(state="current", position=found.position, seconds=found.seconds)


def notify(note: Notice) -> None:
    """Show the notice on the page that the answer leads to."""
    flash(
        {
            "text": note.text,
            "strong": note.strong,
            "kind": note.kind,
            "image": note.image,
            "event": note.event,
            "event_linked": note.event_linked,
        }  # type: ignore[arg-type]  # a signed cookie holds it as JSON
    )


def _notices() -> tuple[Notice, ...]:
    messages: list[Any] = list(get_flashed_messages())
    return tuple(Notice(**kept) for kept in messages if isinstance(kept, dict))


def settings_page(template: str, conn: Any, *titles: str, here: str, trail: tuple[Step, ...] = (), error: bool = False, **more: Any) -> str:
    """A page in the shell with the menu. `titles` go from the thing to its section; `trail` are the steps before the first title."""
    person = current_member()
    assert person is not None
    page = Page(
        titles=titles,
        here=here,
        trail=(*trail, Step(titles[0])),
        viewer=viewer(conn, person),
        lag=lag_line(lag(conn)),
        notices=() if error else _notices(),
        pending=waiting_count(conn, person.account_id) if person.sees_settings else 0,
        error=error,
    )
    return render(template, page, **more)


def account_page(template: str, conn: Any | None, *titles: str, error: bool = False, with_lag: bool = True, **more: Any) -> str:
    """A page without the menu: one's own apps, sign-in, consent, errors. Notices wait for a page that isn't an error."""
    person = current_member()
    page = Page(
        titles=titles,
        viewer=viewer(conn, person) if person else None,
        lag=lag_line(lag(conn)) if conn is not None and with_lag else None,
        notices=() if error else _notices(),
        error=error,
    )
    return render(template, page, **more)


def viewer(conn: Any | None, person: SignedInMember) -> Viewer:
    return viewer_of(conn, person)


def render(template: str, page: Page, **more: Any) -> str:
    return render_template(template, page=page, platform=context.account().name, **more)
