"""One person's data: export, legal holds, erasure."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from application import erase_member, holds
from domain.errors import InvalidInput
from web.member_export import ZIP, exported, file_name
from web.pages import context, csrf
from web.pages.erasure_holds import line, remembered_names
from web.pages.erasure_models import ErasureForm, PersonalData
from web.pages.frame import settings_page
from web.pages.members import HERE, SECTION, trail
from web.pages.members_asking import by, home, person_with, told
from web.pages.members_views import Person
from web.pages.models import Confirm, Step
from web.pages.session import for_admins, for_admins_afresh, for_readers, signed_in

blueprint = Blueprint("member_data", __name__, url_prefix="/members/<member_id>/data")

_HELD: Final = "A legal hold keeps this data, so it can't be erased now. Answer a request that its processing is restricted."


def _here(member_id: str) -> str:
    return url_for("settings.member_data.show", member_id=member_id)


@blueprint.get("")
@for_readers
def show(member_id: str) -> str:
    return _page(person_with(member_id))


def _page(person: Person, *, matter: str = "", errors: dict[str, str] | None = None) -> str:
    with context.views() as conn:
        standing = holds.standing(context.services(), context.account_id(), person.id)
        view = PersonalData(
            member_id=person.id,
            person=person.name,
            erased=person.state.erased,
            keep=_HELD if standing else "",
            holds=tuple(line(one, remembered_names(conn, [one])) for one in standing),
            may_manage=signed_in().may_manage,
            matter=matter,
            errors=errors or {},
        )
        steps = trail(Step(person.name, home(person.id)))
        return settings_page("settings/members/data.html", conn, "Personal data", person.name, SECTION, here=HERE, trail=steps, view=view)


@blueprint.route("/export", methods=["GET", "POST"])
@for_admins_afresh
def export(member_id: str) -> Response:
    person = person_with(member_id)
    if request.method == "GET":
        return redirect(_here(member_id), 303)
    csrf.check()
    content = exported(context.grantbook(), context.services(), context.account_id(), person.state.id, **by())
    answer = make_response(content)
    answer.headers.update({"Content-Type": ZIP, "Content-Disposition": f'attachment; filename="{file_name(person.state.id)}"'})
    return answer


@blueprint.route("/hold", methods=["GET", "POST"])
@for_admins
def hold(member_id: str) -> Response | str:
    person = person_with(member_id)
    if request.method == "GET":
        return redirect(_here(member_id), 303)
    csrf.check()
    matter = request.form.get("matter", "")
    try:
        placed = holds.place(context.services(), context.account_id(), member_id=person.state.id, matter=matter, **by())
    except InvalidInput as error:
        return make_response(_page(person, matter=matter[:200], errors={"matter": error.message}), 400)
    told(placed.recorded, f"A legal hold keeps the data of {person.name}.", "It is neither erased nor expires until the hold is released.")
    return redirect(_here(member_id), 303)


@blueprint.route("/erase", methods=["GET", "POST"])
@for_admins_afresh
def erase(member_id: str) -> Response | str:
    person = person_with(member_id)
    if request.method == "GET":
        return _question(person)
    csrf.check()
    try:
        recorded = erase_member.erase(context.services(), context.account_id(), person.state.id, request=request.form.get("request"), **by())
    except InvalidInput as error:
        return make_response(_question(person, typed=request.form.get("request", "")[:64], errors={"request": error.message}), 400)
    if person.id == signed_in().member_id:
        return redirect(url_for("sign_in.show"), 303)
    told(recorded, "Erased.", "What they did stays provable, under their ID.")
    return redirect(home(member_id), 303)


def _question(person: Person, *, typed: str = "", errors: dict[str, str] | None = None) -> str:
    keep = _here(person.id)
    confirm = Confirm(
        id="erase",
        verb="Erase",
        action=url_for("settings.member_data.erase", member_id=person.id),
        question=f"Erase {person.name} for good?",
        points=(
            "Destroyed: name, address, login, the address and device of every sign-in, and what was written about them. The keys go with them, "
            "so copies in the history can't be read either.",
            "Ended at once: every sign-in, every app that acts for them, and the way back. Nobody can undo it.",
            "Kept: what was done under their ID, when, and by which app. Every proof that was made stays valid.",
            "Not reached: what was exported before. Backups can be read until the wrapping keys are next rotated.",
        ),
        button="Erase for good",
        keep="Keep this person",
    )
    form = ErasureForm(confirm=confirm, back=keep, request=typed, errors=errors or {})
    with context.views() as conn:
        steps = trail(Step(person.name, home(person.id)), Step("Personal data", keep))
        return settings_page("settings/members/erase.html", conn, "Erase", person.name, SECTION, here=HERE, trail=steps, view=form)
