"""What the deeds about one person share: who it is about, the question before, what it would take, and the words after."""

from __future__ import annotations

from typing import Any

from flask import redirect, url_for
from werkzeug.wrappers import Response

from application import foresee
from application.foresee import Foreseen
from application.manage_members import Decision
from application.ports import Recorded
from web.pages import context, members_views
from web.pages.deeds import done
from web.pages.formatting import counted, listed
from web.pages.frame import settings_page
from web.pages.members import HERE, SECTION, state_of, trail
from web.pages.members_views import Person
from web.pages.models import Confirm, Step
from web.pages.session import signed_in


def by() -> dict[str, Any]:
    """Who acts and from where, as every use case takes it."""
    return {"origin": context.origin(), "actor_id": signed_in().member_id}


def home(member_id: str) -> str:
    return url_for("settings.members.detail", member_id=member_id)


def back(member_id: str) -> Response:
    return redirect(home(member_id), 303)


def person_with(member_id: str) -> Person:
    with context.views() as conn:
        return members_views.person_of(conn, state_of(member_id))


def ask(person: Person, confirm: Confirm, keep: str = "") -> str:
    """The question as a page of its own; `keep`: where it leads if it stays undone."""
    with context.views() as conn:
        steps = trail(Step(person.name, home(person.id)))
        return settings_page(
            "settings/confirm.html", conn, confirm.verb, SECTION, here=HERE, trail=steps, confirm=confirm, back=keep or home(person.id)
        )


def foreseen(person: Person, decide: Decision) -> tuple[Foreseen, bool]:
    """What a decision takes from the person's newest live sessions, and whether there are more."""
    with context.views() as conn:
        rows, more = members_views.live_sessions(conn, person.id)
    grants = [row.grant_id for row in rows]
    found = foresee.of_member(context.services(), person.state, decide, grants, actor_id=signed_in().member_id)
    return found, more


def told(recorded: Recorded | None, strong: str, text: str = "") -> None:
    """The notice of the next page: what was done, or that nothing was."""
    done(recorded, strong if recorded else "Nothing was changed.", text if recorded else "", kind="ok" if recorded else "")


def ended(found: Foreseen) -> str:
    parts = [f"{counted(len(losses), 'session')} {verb}" for losses, verb in ((found.ending, "ended"), (found.narrowing, "narrowed")) if losses]
    return f"{listed(parts)}." if parts else ""
