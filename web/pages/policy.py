"""Policy: who may register apps, and how long access lives; each a form of its own, with what it would mean before it is saved."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from application.manage_policies import change_policy
from application.policy_what_if import LOOKED_BACK, MOST_APPS, what_if
from domain.errors import InvalidInput
from projections.integrations.queries import registered_since
from web.pages import context, csrf, policy_views
from web.pages.deeds import done
from web.pages.formatting import counted
from web.pages.frame import settings_page
from web.pages.models import Confirm
from web.pages.policy_views import UNITS
from web.pages.session import for_admins, for_admins_afresh, for_readers, signed_in

blueprint = Blueprint("policy", __name__)

_HERE: Final = "settings.policy.show"
_SECTION: Final = "Policy"
_CONFIRMED: Final = "confirmed"


@blueprint.get("/policy")
@for_readers
def show() -> str:
    return _page()


@blueprint.get("/registration", endpoint="registration")
@for_readers
def registration_moved() -> Response:
    """Where the registration policy is looked for, too."""
    return _back()


def _page(**more: Any) -> str:
    with context.views() as conn:
        view = policy_views.view_of(conn, context.services(), context.account(), may_manage=signed_in().may_manage, **more)
        return settings_page("settings/policy.html", conn, _SECTION, here=_HERE, view=view, units=UNITS, catalogue=context.account().scopes)


def _back() -> Response:
    return redirect(url_for(_HERE), 303)


def _saved(changes: dict[str, str]) -> Response:
    changed = change_policy(context.services(), context.account_id(), changes, origin=context.origin(), actor_id=signed_in().member_id)
    words = f"Saved {counted(len(changes), 'change')}." if changed.recorded else "Nothing was changed."
    done(changed.recorded, words, " ".join(changed.warnings), kind="" if changed.recorded is None else "warn" if changed.warnings else "ok")
    return _back()


# ---- registration


@blueprint.post("/policy/registration")
@for_admins
def save_registration() -> Response:
    try:
        csrf.check()
        changes = policy_views.registration_typed(context.account(), request.form)
        if changes:
            return _saved(changes)
    except csrf.StaleForm:
        return _registration_again({"registration": csrf.STALE})
    except InvalidInput as error:
        return _registration_again({error.field or "registration": error.message})
    done(None, "Nothing was changed.", kind="")
    return _back()


@blueprint.post("/policy/registration/what-if")
@for_admins
def try_registration() -> Response:
    """Nothing changes; the answer is shown above the form, which keeps what was typed."""
    csrf.check()
    services, account_id, account = context.services(), context.account_id(), context.account()
    since = services.clock() - LOOKED_BACK
    try:
        changes = policy_views.registration_typed(account, request.form)
        with context.views() as conn:
            apps = registered_since(conn, account_id, since, MOST_APPS)
        found = what_if(services, account_id, changes, apps, since)
    except InvalidInput as error:
        return _registration_again({error.field or "registration": error.message})
    typed = policy_views.typed_registration(account, request.form)
    return make_response(_page(registration=typed, answer=policy_views.answer_of(found, LOOKED_BACK.days)))


def _registration_again(errors: dict[str, str]) -> Response:
    typed = policy_views.typed_registration(context.account(), request.form, errors)
    return make_response(_page(registration=typed), 400)


# ---- sessions


@blueprint.post("/policy/session")
@for_admins_afresh
def save_session() -> Response | str:
    """Shorter lifetimes may end sessions: then it asks first, with what was typed in the question's form."""
    policy = context.account().session_policy
    try:
        csrf.check()
        changes, after = policy_views.sessions_typed(policy, request.form)
        with context.views() as conn:
            sessions, people = policy_views.ended_by(conn, context.account_id(), policy, after)
            if sessions and _CONFIRMED not in request.form:
                back = url_for(_HERE)
                confirm = _question(sessions, people, request.form)
                return settings_page("settings/confirm.html", conn, "Save", _SECTION, here=_HERE, confirm=confirm, back=back)
        if changes:
            return _saved(changes)
    except csrf.StaleForm:
        return _sessions_again({"access_token_ttl": csrf.STALE})
    except InvalidInput as error:
        return _sessions_again({error.field or "access_token_ttl": error.message})
    done(None, "Nothing was changed.", kind="")
    return _back()


def _sessions_again(errors: dict[str, str]) -> Response:
    return make_response(_page(sessions=policy_views.typed_sessions(request.form, errors)), 400)


def _question(sessions: int, people: int, typed: MultiDict[str, str]) -> Confirm:
    ends = "The session ends" if sessions == 1 else f"{counted(sessions, 'session')} end"
    kept = tuple((name, text) for name, text in typed.items() if name not in ("csrf_token", _CONFIRMED))
    return Confirm(
        id="shorter",
        verb="Save",
        action=url_for("settings.policy.save_session"),
        question="Save the shorter lifetimes?",
        points=(
            f"{ends} now, for {counted(people, 'person', 'people')}: unused for longer, or older, than you allow from now on.",
            "What ended stays ended, also if you lengthen it again. People can connect again by consenting again.",
            "All other sessions go on.",
        ),
        button=f"Save and end {counted(sessions, 'session')}",
        keep="Keep them",
        fields=(*kept, (_CONFIRMED, "on")),
    )


@blueprint.get("/policy/registration", endpoint="registration_page")
@blueprint.get("/policy/registration/what-if", endpoint="what_if_page")
@blueprint.get("/policy/session", endpoint="session_page")
@for_admins
def form_pages() -> Response:
    """Where a fresh sign-in comes back to, and answers that are opened again: the page that holds the forms."""
    return _back()
