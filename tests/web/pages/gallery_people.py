"""Samples of the pages about people and projects, the longest and strangest words included."""

from __future__ import annotations

from tests.web.pages import samples
from web.pages import erasure_models as erasure
from web.pages import members_models as members
from web.pages import models
from web.pages import projects_models as projects

Entry = tuple[str, models.Page, dict[str, object]]

_MEMBERS, _PROJECTS = "settings.members.list", "settings.projects.list"
_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
_LONG = "Wolfeschlegelsteinhausenbergerdorff the Elder of Upper Lower Saxony"
_ROLES = tuple(models.Choice(value=role, words=role, chosen=role == "Analyst") for role in ("Account Admin", "Analyst", "Member"))
_PLACES = members.Places(
    everywhere=False,
    projects=tuple(models.Choice(value=f"prj_{name}", words=name, chosen=name == "Sales") for name in ("Sales", "Marketing", _LONG)),
)  # fmt: skip
_MARKS = members.MemberMarks(you=True, sso=True, directory=True, break_glass=True)
_STATS = tuple(models.Stat(label=label, words="1,024") for label in ("Active", "Deactivated", "Erased"))
_FILTERS = (
    models.Filter(name="q", label="Person", hint="Name or email"),
    models.Filter(name="role", label="Role", options=_ROLES, any_words="Any role"),
)


def _line(name: str, **more: object) -> members.MemberLine:
    facts: dict[str, object] = {
        "member_id": _ID, "name": name, "email": f"{'x' * 60}@subdomain.of.a.domain.example", "role": "Job Operator",
        "where": "Sales and Marketing",
        "beyond": ("jobs.run in Sales, Marketing and Finance", "audit.read"), "less": ("project.develop",),
        "apps": ("Claude Code", samples.EVIL.name),
        "more_apps": 12, "signs_in": "Password and SSO", "last_sign_in_at": samples.ago(hours=3), "status": "active", "marks": members.MemberMarks(),
        **more,
    }  # fmt: skip
    return members.MemberLine(**facts)  # type: ignore[arg-type]  # sample values by name


_LIST = members.MembersView(
    stats=_STATS, filters=_FILTERS, filtered=False, may_manage=True,
    rows=(
        _line("Maya Castillo", marks=_MARKS), _line(_LONG, status="deactivated", beyond=(), less=(), apps=(), more_apps=0),
        _line("an erased member", email="", status="erased", last_sign_in_at=None, where=""), _line(samples.EVIL.name),
    ),
    pager=models.Pager(words="50 people, by name", newer="/x", older="/y", newer_words="Previous", older_words="Next"),
)  # fmt: skip
_NOBODY = members.MembersView(stats=_STATS, filters=_FILTERS, filtered=True, rows=(), pager=models.Pager(words="0 people"), may_manage=False)
_PERMISSION = members.PermissionLine(
    name="project.develop", title="Change models", scopes=("projects:develop",), where="All projects but Finance", source="From the role", held=True
)
_LOST = members.PermissionLine(name="jobs.run", title="Run jobs", scopes=("jobs:run",), where="", source="Taken away", held=False)
_DEACTIVATE = samples.confirm(
    "deactivate", "Deactivate", "Deactivate Maya Castillo?", "Deactivate and end 31 sessions", "31 sessions end now.", asks_reason=True
)
_REVOKE = samples.confirm("revoke-sessions", "Revoke sessions", "Revoke 31 sessions of Maya Castillo?", "Revoke 31 sessions", "No app can act.")
_FORM = members.RoleForm(roles=_ROLES, places=_PLACES, errors={"role": "There is no such role.", "project_id": "Choose at least one project."})


def _detail(**more: object) -> members.MemberDetail:
    facts: dict[str, object] = {
        "member_id": _ID, "name": _LONG, "email": "maya.castillo@jaffle.example", "role": "Analyst", "status": "active", "marks": _MARKS,
        "banner": "",
        "notes": ("The directory looks after this person.",), "stats": _STATS, "permissions": (_PERMISSION, _LOST),
        "apps": (members.AllowedApp(page_id="x", app=samples.EVIL, scopes=("jobs:run",), projects="all projects", last_used_at=None),),
        "facts": (("Email", "maya.castillo@jaffle.example"), ("Signs in with", "SSO")), "added_at": samples.ago(days=90), "history": samples.HISTORY,
        "may_manage": True, "role_form": _FORM, "head_actions": (_DEACTIVATE,), "access_actions": (_REVOKE,), "password": "abcd-efgh-jkmn-pqrs-tuvw",
        **more,
    }  # fmt: skip
    return members.MemberDetail(**facts)  # type: ignore[arg-type]  # sample values by name


_ERASED = _detail(
    status="erased", name="an erased member", email="", banner="This person was erased.", notes=(), permissions=(), apps=(), facts=(), history=(),
    may_manage=False, role_form=members.RoleForm(roles=_ROLES, places=_PLACES), head_actions=(), access_actions=(), password="",
)  # fmt: skip


def _permission(**more: object) -> members.PermissionView:
    facts: dict[str, object] = {
        "member_id": _ID, "person": _LONG, "line": _PERMISSION, "per_project": True, "where": "all projects but Finance", "permit": _PLACES,
        "forbid": _PLACES, "errors": {"forbid-project_id": "Choose at least one project."}, **more,
    }  # fmt: skip
    return members.PermissionView(**facts)  # type: ignore[arg-type]  # sample values by name


_ROWS = tuple(projects.ProjectLine(project_id=f"prj_00000000000{i}", name=name, people=1200, apps=34) for i, name in enumerate(("Sales", _LONG)))
_ADD = members.NewMemberForm(name="x", email="y", roles=_ROLES, places=_PLACES, sso=True, errors={"email": "This is no e-mail address."})
_RENAME = projects.RenameView(project_id="prj_000000000001", name=_LONG, typed="", errors={"name": "A project's name has 1 to 100 characters."})
_HOLD = erasure.HoldLine(
    hold_id="hold_0a9c1c5e6a53", member_id=_ID, person=_LONG, matter=f"Case 17/2026, {_LONG}", by="Priya Raman", placed_at=samples.ago(days=3)
)
_WHOLE = erasure.HoldLine(
    hold_id="hold_1a9c1c5e6a53", person="Everybody of the account", matter="Case 18", by="the command line", placed_at=samples.ago(days=90)
)
_ERASE = erasure.ErasureForm(
    confirm=samples.confirm("erase", "Erase", f"Erase {_LONG} for good?", "Erase for good", "Destroyed: name, address, login."),
    back="/x", request="maya@jaffle.example", errors={"request": "A reference names nobody."},
)  # fmt: skip


def _data(**more: object) -> erasure.PersonalData:
    facts: dict[str, object] = {
        "member_id": _ID, "person": _LONG, "erased": False, "keep": "A legal hold keeps this data.", "holds": (_HOLD, _WHOLE), "may_manage": True,
        "matter": "", "errors": {"matter": "Say which matter the hold is for."}, **more,
    }  # fmt: skip
    return erasure.PersonalData(**facts)  # type: ignore[arg-type]  # sample values by name


PEOPLE: dict[str, Entry] = {
    "members": ("settings/members/list.html", samples.page("Members and permissions", _MEMBERS), {"view": _LIST}),
    "members-none": ("settings/members/list.html", samples.page("Members and permissions", _MEMBERS), {"view": _NOBODY}),
    "member-new": ("settings/members/new.html", samples.page("Add a member", _MEMBERS), {"view": _ADD}),
    "member": ("settings/members/detail.html", samples.page(_LONG, _MEMBERS), {"view": _detail()}),
    "member-erased": ("settings/members/detail.html", samples.page("an erased member", _MEMBERS), {"view": _ERASED}),
    "permission": ("settings/members/permission.html", samples.page("project.develop", _MEMBERS), {"view": _permission()}),
    "permission-kept": (
        "settings/members/permission.html", samples.page("account.manage", _MEMBERS),
        {"view": _permission(per_project=False, permit=None, forbid=None, keep="Priya Raman is the only account admin.", errors={})},
    ),
    "member-data": ("settings/members/data.html", samples.page("Personal data", _MEMBERS), {"view": _data()}),
    "member-data-free": ("settings/members/data.html", samples.page("Personal data", _MEMBERS), {"view": _data(keep="", holds=(), errors={})}),
    "member-data-erased": (
        "settings/members/data.html", samples.page("Personal data", _MEMBERS), {"view": _data(erased=True, may_manage=False, errors={})},
    ),
    "member-erase": ("settings/members/erase.html", samples.page("Erase", _MEMBERS), {"view": _ERASE}),
    "holds": (
        "settings/holds.html", samples.page("Legal holds", _MEMBERS),
        {"view": erasure.HoldsView(rows=(_HOLD, _WHOLE), may_manage=True, errors={"matter": "Say which matter."})},
    ),
    "holds-none": ("settings/holds.html", samples.page("Legal holds", _MEMBERS), {"view": erasure.HoldsView(rows=(), may_manage=False)}),
    "projects": (
        "settings/projects/list.html", samples.page("Projects", _PROJECTS),
        {"view": projects.ProjectsView(rows=_ROWS, history=samples.HISTORY, may_manage=True, typed="Sales", errors={"name": "Taken."})},
    ),
    "projects-empty": (
        "settings/projects/list.html", samples.page("Projects", _PROJECTS), {"view": projects.ProjectsView(rows=(), history=(), may_manage=False)},
    ),
    "project-rename": ("settings/projects/rename.html", samples.page("Rename", _PROJECTS), {"view": _RENAME}),
}  # fmt: skip
