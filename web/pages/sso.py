"""Single sign-on: the account's provider, whom it lets in, proven domains, and the token of its directory. Viewers read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from application import scim_token, sso_members, sso_settings
from application.manage_members import find_member
from application.ports import Recorded
from domain.errors import DomainError, InvalidInput
from web.pages import context, csrf
from web.pages.deeds import done
from web.pages.frame import settings_page
from web.pages.models import Confirm
from web.pages.session import for_admins, for_admins_afresh, for_readers, signed_in
from web.pages.sso_models import SsoForm
from web.pages.sso_views import form_from, group_roles, scim_token_id, view_of

blueprint = Blueprint("sso", __name__, url_prefix="/sso")

_HERE: Final = "settings.sso.show"
_SECTION: Final = "Single sign-on"


@blueprint.get("")
@for_readers
def show() -> str:
    return _page()


def _page(*, form: SsoForm | None = None, **more: Any) -> str:
    with context.views() as conn:
        view = view_of(conn, context.services(), context.account(), may_manage=signed_in().may_manage, form=form, **more)
        return settings_page("settings/sso.html", conn, _SECTION, here=_HERE, view=view)


def _back() -> Response:
    return redirect(url_for(_HERE), 303)


@blueprint.post("")
@for_admins_afresh
def save() -> Response:
    form = request.form
    try:
        csrf.check()
        secret = form.get("client_secret", "")
        wanted = sso_settings.SsoSettings(
            issuer=form.get("issuer", ""),
            client_id=form.get("client_id", ""),
            secret="" if "forget_secret" in form else secret or None,
            enabled="enabled" in form,
            scopes=tuple(dict.fromkeys(form.get("scopes", "").split()))[:20],
            default_role=form.get("default_role", ""),
            groups_claim=form.get("groups_claim", "")[:200],
            group_roles=group_roles(form.get("group_roles", "")),
            enforced="enforced" in form,
            break_glass=tuple(form.getlist("break_glass"))[:20],
        )
        services, tools = context.services(), context.grantbook().identity
        recorded = sso_settings.change(services, tools, context.account_id(), wanted, origin=context.origin(), actor_id=signed_in().member_id)
    except csrf.StaleForm:
        return _again({"issuer": csrf.STALE})
    except InvalidInput as error:
        return _again({{"role": "default_role"}.get(error.field or "", error.field or "issuer"): error.message})
    done(recorded, "Saved single sign-on." if recorded else "Nothing was changed.", kind="ok" if recorded else "")
    return _back()


def _again(errors: dict[str, str]) -> Response:
    with context.views() as conn:
        typed = form_from(conn, context.services(), context.account(), request.form, errors)
    return make_response(_page(form=typed), 400)


@blueprint.post("/test")
@for_admins
def test() -> Response:
    """Nothing changes; what was found is shown at once."""
    csrf.check()
    try:
        found = sso_settings.examine(context.services(), context.grantbook().identity, context.account_id())
    except DomainError as error:
        return make_response(_page(problem=error.message), 400)
    return make_response(_page(found=tuple(found)))


@blueprint.get("/test")
@for_admins
def tested() -> Response:
    """A test is not kept: its page opened again is the settings."""
    return _back()


# ---- domains


def _on_domain(decide: Callable[[str], Recorded | None], did: str) -> Response:
    csrf.check()
    domain = request.form.get("domain", "")[:300]
    try:
        recorded = decide(domain)
    except DomainError as error:
        return make_response(_page(errors={"domain": error.message}, domain_typed=domain), 400)
    done(recorded, f"{did} {domain.strip().lower()}." if recorded else "Nothing was changed.", kind="ok" if recorded else "")
    return _back()


@blueprint.post("/domains/add")
@for_admins
def add_domain() -> Response:
    return _on_domain(lambda d: sso_settings.add_domain(context.services(), context.account_id(), d, **_by()), "Added")


@blueprint.post("/domains/prove")
@for_admins
def prove_domain() -> Response:
    tools = context.grantbook().identity
    return _on_domain(lambda d: sso_settings.prove_domain(context.services(), tools, context.account_id(), d, **_by()), "Proved")


@blueprint.post("/domains/remove")
@for_admins_afresh
def remove_domain() -> Response:
    return _on_domain(lambda d: sso_settings.remove_domain(context.services(), context.account_id(), d, **_by()), "Removed")


def _by() -> dict[str, Any]:
    return {"origin": context.origin(), "actor_id": signed_in().member_id}


# ---- one person's link


@blueprint.post("/unlink")
@for_admins_afresh
def unlink() -> Response:
    csrf.check()
    services, account_id, typed = context.services(), context.account_id(), request.form.get("email", "")[:320]
    try:
        member_id: UUID = find_member(services, account_id, typed)
    except DomainError as error:
        return make_response(_page(errors={"email": error.message}, unlink_typed=typed), 400)
    done(sso_members.unlink(services, account_id, member_id, **_by()), "Forgot the link.", "The next SSO sign-in links this person anew.")
    return _back()


# ---- the directory


@blueprint.post("/scim-token")
@for_admins_afresh
def make_token() -> Response:
    """The page with the token is this request's own answer: the token waits nowhere for another page."""
    csrf.check()
    there = scim_token_id(context.account())
    if request.form.get("replaces", there) != there:
        raise csrf.StaleForm
    made = scim_token.rotate(context.services(), context.account_id(), **_by())
    done(made.recorded, "Made a directory token.", "It is shown once, below.")
    context.forget_account()
    return make_response(_page(token=made.token))


@blueprint.route("/scim-token/remove", methods=["GET", "POST"])
@for_admins_afresh
def remove_token() -> Response | str:
    if request.method == "GET":
        confirm = Confirm(
            id="remove-token",
            verb="Remove",
            action=url_for("settings.sso.remove_token"),
            question="Remove the directory token?",
            points=("The directory adds and deactivates nobody any more, from now on.", "People who are here stay."),
            button="Remove the token",
        )
        with context.views() as conn:
            return settings_page("settings/confirm.html", conn, "Remove", _SECTION, here=_HERE, confirm=confirm, back=url_for(_HERE))
    csrf.check()
    done(scim_token.remove(context.services(), context.account_id(), **_by()), "Removed the directory token.")
    return _back()


@blueprint.get("/scim-token", endpoint="token_page")
@blueprint.get("/unlink", endpoint="unlink_page")
@blueprint.get("/domains/add", endpoint="add_domain_page")
@blueprint.get("/domains/prove", endpoint="prove_domain_page")
@blueprint.get("/domains/remove", endpoint="remove_domain_page")
@for_admins
def form_pages() -> Response:
    """Where a fresh sign-in comes back to: the page that holds the form."""
    return _back()
