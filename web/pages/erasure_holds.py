"""The legal holds of the account: the list, one on everybody, releasing one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from application import holds
from domain.errors import InvalidInput, NotFound
from projections.members.queries import member
from web.pages import context, csrf
from web.pages.deeds import done
from web.pages.erasure_models import HoldLine, HoldsView
from web.pages.frame import settings_page
from web.pages.members import HERE as MEMBERS
from web.pages.members import SECTION, trail
from web.pages.models import Confirm, Step
from web.pages.session import for_admins, for_readers, signed_in

blueprint = Blueprint("holds", __name__, url_prefix="/holds")


def remembered_names(conn: Any, found: Sequence[holds.Standing]) -> dict[str, str]:
    """What the people of these holds are called, whom they keep and who placed them."""
    ids = {member_id for one in found for member_id in (one.member_id, one.by) if member_id}
    rows = {member_id: member(conn, context.account_id(), member_id) for member_id in ids}
    return {member_id: row.name or row.email or "an erased member" if row else "a member" for member_id, row in rows.items()}


def line(found: holds.Standing, names: dict[str, str]) -> HoldLine:
    return HoldLine(
        hold_id=found.hold_id,
        member_id=found.member_id or "",
        person=names.get(found.member_id, "a member") if found.member_id else "Everybody of the account",
        matter=found.matter or "(erased)",
        by=names.get(found.by, "a member") if found.by else "the command line",
        placed_at=found.placed_at,
    )


@blueprint.get("", endpoint="list")
@for_readers
def list_all() -> str:
    return _page()


def _page(*, matter: str = "", errors: dict[str, str] | None = None) -> str:
    standing = holds.standing(context.services(), context.account_id())
    with context.views() as conn:
        names = remembered_names(conn, standing)
        rows = tuple(line(one, names) for one in standing)
        view = HoldsView(rows=rows, may_manage=signed_in().may_manage, matter=matter, errors=errors or {})
        return settings_page("settings/holds.html", conn, "Legal holds", SECTION, here=MEMBERS, trail=trail(), view=view)


@blueprint.post("")
@for_admins
def place() -> Response:
    csrf.check()
    matter = request.form.get("matter", "")
    try:
        placed = holds.place(context.services(), context.account_id(), member_id=None, matter=matter, **_by())
    except InvalidInput as error:
        return make_response(_page(matter=matter[:200], errors={"matter": error.message}), 400)
    done(placed.recorded, "A legal hold keeps everybody's data.", "It is neither erased nor expires until the hold is released.")
    return redirect(url_for("settings.holds.list"), 303)


@blueprint.route("/<hold_id>/release", methods=["GET", "POST"])
@for_admins
def release(hold_id: str) -> Response | str:
    found = next((one for one in holds.standing(context.services(), context.account_id()) if one.hold_id == hold_id), None)
    if found is None:
        raise NotFound("No hold of this id stands.")
    if request.method == "POST":
        csrf.check()
        done(holds.release(context.services(), context.account_id(), hold_id, **_by()), "Released the hold.")
        return redirect(url_for("settings.holds.list"), 303)
    with context.views() as conn:
        told = line(found, remembered_names(conn, [found]))
        confirm = Confirm(
            id="release",
            verb="Release",
            action=url_for("settings.holds.release", hold_id=hold_id),
            question=f"Release the hold “{told.matter}”?",
            points=(f"It keeps: {told.person}.", "What no other hold keeps can be erased again, and expires as the retention says."),
            button="Release",
            destroys=False,
        )
        steps = trail(Step("Legal holds", url_for("settings.holds.list")))
        return settings_page(
            "settings/confirm.html", conn, "Release", SECTION, here=MEMBERS, trail=steps, confirm=confirm, back=url_for("settings.holds.list")
        )


def _by() -> dict[str, Any]:
    return {"origin": context.origin(), "actor_id": signed_in().member_id}
