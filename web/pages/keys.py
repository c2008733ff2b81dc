"""Signing keys: which sign, which are only checked, what comes next; admins publish a new one."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from application import rotate_keys
from domain.errors import NotFound
from domain.signing_key import Use
from web.pages import context, csrf, keys_views
from web.pages.deeds import done
from web.pages.formatting import duration
from web.pages.frame import settings_page
from web.pages.models import Step
from web.pages.session import for_admins, for_readers, signed_in

blueprint = Blueprint("keys", __name__, url_prefix="/keys")

_HERE: Final = "settings.keys.list"
_SECTION: Final = "Signing keys"


@blueprint.get("", endpoint="list")
@for_readers
def list_all() -> str:
    with context.views() as conn:
        view = keys_views.view_of(conn, context.services(), context.account(), may_manage=signed_in().may_manage)
        return settings_page("settings/keys.html", conn, _SECTION, here=_HERE, view=view)


@blueprint.route("/<use>/rotate", methods=["GET", "POST"])
@for_admins
def rotate(use: str) -> Response | str:
    wanted = _use(use)
    if request.method == "GET":
        back, confirm = url_for(_HERE), keys_views.question(wanted)
        with context.views() as conn:
            trail = (Step(_SECTION, back),)
            return settings_page("settings/confirm.html", conn, confirm.verb, _SECTION, here=_HERE, trail=trail, confirm=confirm, back=back)
    csrf.check()
    made = rotate_keys.rotate(context.services(), context.account_id(), wanted, origin=context.origin(), actor_id=signed_in().member_id)
    done(made.recorded, "Published a new key.", f"It signs in {duration(2 * rotate_keys.REREAD)}.")
    return redirect(url_for(_HERE), 303)


def _use(text: str) -> Use:
    for use in rotate_keys.USES:
        if use == text:
            return use
    raise NotFound("Keys sign access tokens or assertions, nothing else.")
