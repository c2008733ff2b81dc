"""Ledger: what was signed over the record, the key to check it with, and the record checked against itself."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from domain.errors import NotFound
from infrastructure.database import DatabaseUnavailable
from infrastructure.ledger import store, whole_check
from infrastructure.ledger.sealing import name_of
from infrastructure.ledger.whole_check import Verified
from web.pages import context, csrf, ledger_views
from web.pages.formatting import counted
from web.pages.frame import notify, settings_page
from web.pages.models import Notice
from web.pages.session import for_admins, for_readers, signed_in

blueprint = Blueprint("ledger", __name__, url_prefix="/ledger")

HERE: Final = "settings.ledger.show"
PATIENCE: Final = 3.0
"""Seconds that the answer waits for the check that it began."""


@blueprint.get("")
@for_readers
def show() -> str:
    with context.views() as conn:
        view = ledger_views.view_of(conn, request.args.get("before", ""), may_manage=signed_in().may_manage)
        return settings_page("settings/ledger.html", conn, "Ledger", here=HERE, view=view)


@blueprint.get("/checkpoints/<int:size>")
@for_readers
def checkpoint(size: int) -> Response:
    """A checkpoint as a file, a signed note (c2sp.org/tlog-checkpoint)."""
    with context.views() as conn:
        found = store.of_size(conn, name_of(context.grantbook().settings, conn), size) if size < 2**63 else None
    if found is None:
        raise NotFound("The log has no checkpoint of so many entries.")
    headers = {"Content-Disposition": f'attachment; filename="checkpoint-{size}"', "Cache-Control": "no-store"}
    return Response(found.note, content_type="text/plain; charset=utf-8", headers=headers)


@blueprint.route("/verify", methods=["GET", "POST"])
@for_admins
def verify() -> BaseResponse:
    """Check everything, and wait a moment for what comes of it."""
    if request.method == "POST":
        csrf.check()
        notify(_begun())
    return redirect(f"{url_for(HERE)}#verified", 303)


def _begun() -> Notice:
    try:
        check = whole_check.begin(context.grantbook())
    except DatabaseUnavailable:
        return _troubled("Nothing was checked.", "The database gives no further connection. Try again in a moment.")
    if check is None:
        return Notice(strong="A check is running.", text="It reads everything, so another one would find the same.")
    check.join(PATIENCE)
    if check.is_alive():
        return Notice(strong="The check has begun.", text="It reads every event, and goes on by itself. What it finds will stand here.")
    return _told(check.found)


def _told(found: Verified | None) -> Notice:
    if found is None:
        return _troubled("The check was interrupted.", "The log of the server says why. Verify again.")
    if found.total:
        text = "The record is not what was recorded and signed."
        return Notice(strong=f"{counted(found.total, 'finding')}.", text=text, kind="bad", image="warning")
    return Notice(strong=ledger_views.SOUND, text=f"{counted(found.events, 'event')}, {found.seconds:.1f} s.", kind="ok", image="check")


def _troubled(strong: str, text: str) -> Notice:
    return Notice(strong=strong, text=text, kind="warn", image="warning")
