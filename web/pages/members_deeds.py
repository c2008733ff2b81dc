"""What admins do about one person: deactivating and reactivating, ending sign-ins and sessions, a new password."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, request
from werkzeug.wrappers import Response

from application import browser_sessions, manage_members, password_rules, revoke_grant
from domain.errors import Refused
from web.pages import context, csrf, members_confirm, members_views
from web.pages.confirmations import reason_from
from web.pages.formatting import counted
from web.pages.members import show_once
from web.pages.members_asking import ask, back, by, ended, foreseen, person_with, told
from web.pages.members_views import Person
from web.pages.models import Confirm
from web.pages.session import for_admins_afresh

blueprint = Blueprint("member", __name__, url_prefix="/members/<member_id>")


def _deed(member_id: str, confirm: Callable[[Person], Confirm], carry_out: Callable[[Person], None]) -> Response | str:
    """GET asks, POST does it and goes back to the person."""
    person = person_with(member_id)
    if request.method == "GET":
        return ask(person, confirm(person))
    csrf.check()
    carry_out(person)
    return back(member_id)


def _reason() -> str | None:
    return reason_from(request.form.get("reason", ""))


@blueprint.route("/deactivate", methods=["GET", "POST"])
@for_admins_afresh
def deactivate(member_id: str) -> Response | str:
    def question(person: Person) -> Confirm:
        with context.views() as conn:
            sessions, more = members_views.live_sessions(conn, person.id)
        return members_views.deactivation(person, sessions, more=more, sign_ins=members_views.open_sign_ins(person.id))

    def carry_out(person: Person) -> None:
        decide = manage_members.deactivation(context.services(), context.account_id(), **by())
        found, _ = foreseen(person, decide)
        recorded = manage_members.deactivate(context.services(), context.account_id(), person.state.id, reason=_reason(), **by())
        told(recorded, f"Deactivated {person.name}.", ended(found))

    return _deed(member_id, question, carry_out)


@blueprint.route("/reactivate", methods=["GET", "POST"])
@for_admins_afresh
def reactivate(member_id: str) -> Response | str:
    def carry_out(person: Person) -> None:
        recorded = manage_members.reactivate(context.services(), context.account_id(), person.state.id, reason=_reason(), **by())
        told(recorded, f"Reactivated {person.name}.", "What ended stays ended.")

    return _deed(member_id, lambda person: members_confirm.reactivate(person.id, person.name, person.state.role), carry_out)


@blueprint.route("/end-sign-ins", methods=["GET", "POST"])
@for_admins_afresh
def end_sign_ins(member_id: str) -> Response | str:
    def carry_out(person: Person) -> None:
        recorded, count = browser_sessions.end_sessions_of(context.services(), context.account_id(), person.state.id, **by())
        told(recorded, f"Ended {counted(count, 'sign-in')} of {person.name}.")

    return _deed(member_id, lambda p: members_confirm.end_sign_ins(p.id, p.name, members_views.open_sign_ins(p.id)), carry_out)


@blueprint.route("/revoke-sessions", methods=["GET", "POST"])
@for_admins_afresh
def revoke_sessions(member_id: str) -> Response | str:
    def live(person: Person) -> tuple[list[str], bool]:
        with context.views() as conn:
            rows, more = members_views.live_sessions(conn, person.id)
        return [row.grant_id for row in rows], more

    def question(person: Person) -> Confirm:
        grants, more = live(person)
        return members_confirm.revoke_sessions(person.id, person.name, len(grants), more=more)

    def carry_out(person: Person) -> None:
        grants, more = live(person)
        count, recorded = revoke_grant.revoke_several(context.services(), context.account_id(), grants, reason=_reason(), **by())
        told(recorded, f"Revoked {counted(count, 'session')} of {person.name}.", "More are left." if more else "")

    return _deed(member_id, question, carry_out)


@blueprint.route("/password", methods=["GET", "POST"])
@for_admins_afresh
def password(member_id: str) -> Response | str:
    def question(person: Person) -> Confirm:
        has_one = person.signing_in.password
        return members_confirm.make_password(person.id, person.name, members_views.open_sign_ins(person.id), has_one=has_one)

    def carry_out(person: Person) -> None:
        if not person.state.active:
            raise Refused("This person is deactivated. Reactivate them first.")
        made = password_rules.made()
        recorded = manage_members.set_password(context.services(), context.account_id(), person.state.id, person.email, made, **by())
        show_once(person.id, made)
        told(recorded, f"Made a password for {person.name}.", "It is shown once, below.")

    return _deed(member_id, question, carry_out)
