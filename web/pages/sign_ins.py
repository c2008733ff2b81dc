"""Your sign-ins: the browsers in which a person is signed in, and ending one or all others."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from application import browser_sessions
from application.lookups import as_uuid
from domain.errors import NotFound
from web.pages import context, csrf
from web.pages.browsers import browser_words
from web.pages.deeds import done
from web.pages.formatting import counted
from web.pages.frame import account_page
from web.pages.models import Confirm
from web.pages.session import IDLE, for_everyone, signed_in
from web.pages.sso_models import SignInRow, SignInsView

blueprint = Blueprint("sign_ins", __name__, url_prefix="/sign-ins")

_SECTION: Final = "Sign-ins"


def _rows() -> tuple[SignInRow, ...]:
    person = signed_in()
    opened = context.grantbook().identity.open
    found = browser_sessions.sessions_of(context.services(), person.account_id, person.member_id, idle=IDLE, opened=opened)
    return tuple(
        SignInRow(
            browser=browser_words(session.user_agent),
            address=session.address or "",
            method={"sso": "SSO"}.get(session.method, "Password"),
            since=session.created_at,
            last_seen_at=session.last_seen_at,
            this_one=session.sign_in_id == person.sign_in_id,
            end=None if session.sign_in_id == person.sign_in_id else _confirm(session.sign_in_id, browser_words(session.user_agent)),
        )
        for session in found
    )


def _confirm(sign_in_id: UUID, browser: str) -> Confirm:
    return Confirm(
        id=f"end-{sign_in_id}",
        verb="End",
        action=url_for("sign_ins.end", sign_in_id=sign_in_id),
        question=f"End the sign-in of {browser}?",
        points=("It is signed out at its next click.", "Apps that you have connected stay connected."),
        button="End sign-in",
    )


def _confirm_others(count: int) -> Confirm:
    return Confirm(
        id="end-others",
        verb="End all others",
        action=url_for("sign_ins.end_others"),
        question=f"End {counted(count, 'other sign-in')}?",
        points=("You stay signed in here.", "Apps that you have connected stay connected."),
        button=f"End {counted(count, 'sign-in')}",
        keep="Keep them",
    )


@blueprint.get("", endpoint="list")
@for_everyone
def list_all() -> str:
    rows = _rows()
    others = sum(not row.this_one for row in rows)
    view = SignInsView(rows=rows, end_others=_confirm_others(others) if others else None)
    with context.views() as conn:
        return account_page("account/sign-ins.html", conn, _SECTION, with_lag=False, view=view)


@blueprint.get("/<sign_in_id>/end")
@for_everyone
def ask_to_end(sign_in_id: str) -> str:
    confirm = next((row.end for row in _rows() if row.end and row.end.id == f"end-{sign_in_id}"), None)
    if confirm is None:
        raise NotFound("You have no such session; it may have ended.")
    return _question(confirm)


@blueprint.post("/<sign_in_id>/end")
@for_everyone
def end(sign_in_id: str) -> Response:
    csrf.check()
    person, stream_id = signed_in(), as_uuid(sign_in_id)
    if stream_id is None:
        raise NotFound("You have no such session; it may have ended.")
    recorded = browser_sessions.end_session(context.services(), person.account_id, person.member_id, stream_id, context.origin())
    done(recorded, "Ended the sign-in.", linked=False)
    return redirect(url_for("sign_ins.list"), 303)


@blueprint.get("/end-others")
@for_everyone
def ask_to_end_others() -> str:
    return _question(_confirm_others(sum(not row.this_one for row in _rows())))


@blueprint.post("/end-others")
@for_everyone
def end_others() -> Response:
    csrf.check()
    person = signed_in()
    recorded, count = browser_sessions.end_other_sessions(
        context.services(), person.account_id, person.member_id, person.sign_in_id, context.origin()
    )
    done(recorded, f"Ended {counted(count, 'sign-in')}." if count else "There was no other sign-in.", linked=False, kind="ok" if count else "")
    return redirect(url_for("sign_ins.list"), 303)


def _question(confirm: Confirm) -> str:
    with context.views() as conn:
        return account_page("account/confirm.html", conn, confirm.verb, _SECTION, confirm=confirm, back=url_for("sign_ins.list"))
