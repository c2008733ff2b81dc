"""Projects: the list with who and what reaches each, adding, renaming and removing one."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from application import foresee, manage_projects
from application.foresee import Foreseen
from domain.errors import DomainError, NotFound
from projections.audit_log.queries import entries
from projections.members.queries import reach
from projections.sessions.queries import list_sessions
from web.pages import context, csrf, members_confirm
from web.pages.audit_sentences import Known
from web.pages.deeds import done
from web.pages.formatting import counted, listed
from web.pages.frame import settings_page
from web.pages.history import timeline
from web.pages.models import Confirm, HistoryEntry, Step
from web.pages.projects_models import ProjectLine, ProjectsView, RenameView
from web.pages.session import for_admins, for_admins_afresh, for_readers, signed_in

blueprint = Blueprint("projects", __name__, url_prefix="/projects")

_HERE: Final = "settings.projects.list"
_SECTION: Final = "Projects"
_CHANGES: Final = ("project.added", "project.renamed", "project.removed")
_LAST: Final = 8


def _by() -> dict[str, Any]:
    return {"origin": context.origin(), "actor_id": signed_in().member_id}


def _home() -> Response:
    context.forget_account()
    return redirect(url_for(_HERE), 303)


@blueprint.get("", endpoint="list")
@for_readers
def list_all() -> str:
    return _page()


def _page(typed: str = "", errors: dict[str, str] | None = None) -> str:
    account, account_id = context.account(), context.account_id()
    with context.views() as conn:
        found = reach(conn, account_id, account.projects)
        rows = [ProjectLine(project_id=id_, name=name, people=found[id_].members, apps=found[id_].apps) for id_, name in account.projects.items()]
        view = ProjectsView(
            rows=tuple(sorted(rows, key=lambda row: row.name.casefold())),
            history=_history(conn),
            may_manage=signed_in().may_manage,
            typed=typed,
            errors=errors or {},
        )
        return settings_page("settings/projects/list.html", conn, _SECTION, here=_HERE, view=view)


def _history(conn: Any) -> tuple[HistoryEntry, ...]:
    found = entries(conn, context.account_id(), event_type=_CHANGES, limit=_LAST)
    return timeline(found, Known({}, context.account().projects))


@blueprint.post("")
@for_admins
def add() -> Response:
    name = request.form.get("name", "")
    try:
        csrf.check()
        added = manage_projects.add(context.services(), context.account_id(), name, **_by())
    except (csrf.StaleForm, DomainError) as error:
        return make_response(_page(name, {"name": _words(error)}), 400)
    done(added.recorded, f"Added {name.strip()}.", "People who hold a permission in all projects hold it there too.")
    return _home()


def _words(error: Exception) -> str:
    return error.message if isinstance(error, DomainError) else csrf.STALE


def _name(project_id: str) -> str:
    name = context.account().projects.get(project_id)
    if name is None:
        raise NotFound("There is no such project in this account.")
    return name


# ---- renaming


@blueprint.get("/<project_id>/rename")
@for_admins
def ask_rename(project_id: str) -> str:
    return _rename_page(project_id, _name(project_id))


def _rename_page(project_id: str, typed: str, errors: dict[str, str] | None = None) -> str:
    name = _name(project_id)
    view = RenameView(project_id=project_id, name=name, typed=typed, errors=errors or {})
    with context.views() as conn:
        trail = (Step(_SECTION, url_for(_HERE)),)
        return settings_page("settings/projects/rename.html", conn, f"Rename {name}", _SECTION, here=_HERE, trail=trail, view=view)


@blueprint.post("/<project_id>/rename")
@for_admins
def rename(project_id: str) -> Response:
    before, name = _name(project_id), request.form.get("name", "")
    try:
        csrf.check()
        recorded = manage_projects.rename(context.services(), context.account_id(), project_id, name, **_by())
    except (csrf.StaleForm, DomainError) as error:
        return make_response(_rename_page(project_id, name, {"name": _words(error)}), 400)
    if recorded is None:
        done(None, "Nothing was changed.", kind="")
    else:
        done(recorded, f"{before} is called {name.strip()} now.", "Its ID stays the same.")
    return _home()


# ---- removing


@blueprint.route("/<project_id>/remove", methods=["GET", "POST"])
@for_admins_afresh
def remove(project_id: str) -> Response | str:
    name = _name(project_id)
    if request.method == "GET":
        return _ask(project_id, name)
    csrf.check()
    found, more = _foreseen(project_id)
    recorded = manage_projects.remove(context.services(), context.account_id(), project_id, **_by())
    parts = [f"{counted(len(losses), 'session')} {verb}" for losses, verb in ((found.ending, "ended"), (found.narrowing, "narrowed")) if losses]
    done(recorded, f"Removed {name}.", f"{'More than ' if more else ''}{listed(parts)}." if parts else "No session reached it.")
    return _home()


def _foreseen(project_id: str) -> tuple[Foreseen, bool]:
    """What removing it takes from the newest live sessions that may reach it, and whether there are more of them."""
    with context.views() as conn:
        rows = list_sessions(conn, context.account_id(), project=project_id, limit=members_confirm.CAP + 1)
    decide = manage_projects.removal(context.services(), context.account_id(), project_id, **_by())
    grants = [row.grant_id for row in rows[: members_confirm.CAP] if row.status == "active"]
    return foresee.of_account(context.services(), context.account_id(), decide, grants), len(rows) > members_confirm.CAP


def _ask(project_id: str, name: str) -> str:
    found, more = _foreseen(project_id)
    with context.views() as conn:
        reached = reach(conn, context.account_id(), [project_id])[project_id]
        confirm = Confirm(
            id="remove",
            verb="Remove",
            action=url_for("settings.projects.remove", project_id=project_id),
            question=f"Remove {name}?",
            points=(
                *members_confirm.foreseen_points(found, more=more, nothing="No live session reaches it."),
                f"{counted(reached.members, 'person', 'people')} and {counted(reached.apps, 'app')} reach it no more, from the next request on.",
                "Nothing in the project itself is touched: this is about access only.",
                "Its ID is not given again. A new project of the same name is another one, and has to be allowed again.",
            ),
            button=members_confirm.button("Remove", found, more=more),
        )
        trail = (Step(_SECTION, url_for(_HERE)), Step(name))
        return settings_page("settings/confirm.html", conn, "Remove", _SECTION, here=_HERE, trail=trail, confirm=confirm, back=url_for(_HERE))
