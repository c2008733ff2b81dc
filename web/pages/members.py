"""Members and permissions: the list with its search, one person with everything about them, and adding one."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, make_response, redirect, request, url_for
from flask import session as form_cookie
from werkzeug.wrappers import Response

from application import manage_members, password_rules
from application.identity_ports import NO_LOGIN
from application.lookups import as_uuid, member_of
from domain.auth_provider import in_force
from domain.errors import DomainError, NotFound
from domain.member import Member
from domain.roles import ROLES
from projections.members import queries
from projections.members.queries import MemberRow
from web.pages import context, csrf, members_forms, members_views
from web.pages.deeds import done
from web.pages.formatting import counted, number
from web.pages.frame import settings_page
from web.pages.members_models import MembersView, RoleForm
from web.pages.models import Choice, Filter, Pager, Stat, Step
from web.pages.session import for_admins, for_readers, signed_in

blueprint = Blueprint("members", __name__, url_prefix="/members")

HERE: Final = "settings.members.list"
SECTION: Final = "Members and permissions"
PAGE_SIZE: Final = 50
_STATUSES: Final[tuple[tuple[queries.Status, str], ...]] = (("active", "Active"), ("deactivated", "Deactivated"), ("erased", "Erased"))
_FILTERS: Final = ("q", "role", "status")
_SHOWN_ONCE: Final = "member_password"  # where the form cookie holds it, sealed, until the next page


def trail(*more: Step) -> tuple[Step, ...]:
    return (Step(SECTION, url_for(HERE)), *more)


def state_of(member_id: str) -> Member:
    """The member as the write side has it; `NotFound` for anything that isn't just such an id."""
    if str(as_uuid(member_id)) != member_id:
        raise NotFound("There is no such member in this account.")
    person = signed_in()
    return person.member if member_id == person.member_id else member_of(context.services(), context.account_id(), member_id)


# ---- the list


@blueprint.get("", endpoint="list")
@for_readers
def list_all() -> str:
    account, account_id = context.account(), context.account_id()
    with context.views() as conn:
        rows, newer, older = _page(conn)
        ids = [row.member_id for row in rows]
        apps, kinds = queries.apps_in_use(conn, account_id, ids), context.services().store.tables().signing_in(account_id, ids)
        counts = queries.member_counts(conn, account_id)
        view = MembersView(
            stats=(
                Stat(label="Active", words=number(counts.active)),
                Stat(label="Deactivated", words=number(counts.deactivated)),
                Stat(label="Erased", words=number(counts.erased)),
            ),
            filters=_filters(),
            filtered=any(request.args.get(name) for name in (*_FILTERS, "after", "before")),
            rows=tuple(members_views.line(row, account, apps.get(row.member_id, ()), kinds.get(row.member_id, NO_LOGIN)) for row in rows),
            pager=_pager(rows, newer=newer, older=older),
            may_manage=signed_in().may_manage,
        )
        return settings_page("settings/members/list.html", conn, SECTION, here=HERE, view=view)


def _page(conn: Any) -> tuple[list[MemberRow], bool, bool]:
    """A page by name, and whether there are others before and after it."""
    args, account_id = request.args, context.account_id()
    status = next((value for value, _ in _STATUSES if value == args.get("status")), None)
    after, before = args.get("after") or None, args.get("before") or None
    found = queries.find_members(
        conn,
        account_id,
        text=args.get("q", "").strip()[:200],
        role=args.get("role") or None,
        status=status,
        after=None if before else after,
        before=before,
        limit=PAGE_SIZE + 1,
    )
    more = len(found) > PAGE_SIZE
    if before:
        return found[1:] if more else found, more, True
    return found[:PAGE_SIZE], after is not None, more


def _filters() -> tuple[Filter, ...]:
    args = request.args
    roles = tuple(Choice(value=role, words=role, chosen=role == args.get("role")) for role in ROLES)
    statuses = tuple(Choice(value=value, words=words, chosen=value == args.get("status")) for value, words in _STATUSES)
    return (
        Filter(name="q", label="Person", value=args.get("q", "")[:200], hint="Name or email"),
        Filter(name="role", label="Role", options=roles, any_words="Any role"),
        Filter(name="status", label="Status", options=statuses, any_words="Everyone"),
    )


def _pager(rows: list[MemberRow], *, newer: bool, older: bool) -> Pager:
    kept = [(name, value) for name in _FILTERS if (value := request.args.get(name))]

    def link(name: str, row: MemberRow) -> str:
        return f"{url_for(HERE)}?{urlencode([*kept, (name, row.member_id)])}"

    return Pager(
        words=counted(len(rows), "person", "people") + (", by name" if len(rows) > 1 else ""),
        newer=link("before", rows[0]) if newer and rows else "",
        older=link("after", rows[-1]) if older and rows else "",
        newer_words="Previous",
        older_words="Next",
    )


# ---- adding one


@blueprint.get("/new")
@for_admins
def new() -> str:
    return _new_page()


def _new_page(*, typed: bool = False, errors: dict[str, str] | None = None) -> str:
    account = context.account()
    form = members_forms.new_member(account, sso=in_force(account), typed=typed, errors=errors)
    with context.views() as conn:
        return settings_page("settings/members/new.html", conn, "Add a member", SECTION, here=HERE, trail=trail(), view=form)


@blueprint.post("/new")
@for_admins
def add() -> Response:
    form = request.form
    password = password_rules.made() if form.get("sign_in") != "none" else None
    try:
        csrf.check()
        added = manage_members.add_member(
            context.services(),
            context.account_id(),
            email=form.get("email", ""),
            name=form.get("name", ""),
            role=form.get("role", ""),
            projects=members_forms.projects_from(form),
            password=password,
            origin=context.origin(),
            actor_id=signed_in().member_id,
        )
    except csrf.StaleForm:
        return make_response(_new_page(typed=True, errors={"name": csrf.STALE}), 400)
    except DomainError as error:
        return make_response(_new_page(typed=True, errors=members_forms.errors_of(error, "name")), 400)
    member_id = str(added.member_id)
    if password:
        show_once(member_id, password)
    done(added.recorded, f"Added {' '.join(form.get('name', '').split())}.", "Their password is shown once, below." if password else "")
    return redirect(url_for("settings.members.detail", member_id=member_id), 303)


# ---- one person


@blueprint.get("/<member_id>")
@for_readers
def detail(member_id: str) -> str:
    return person_page(state_of(member_id), password=_shown_once(member_id))


def person_page(state: Member, *, form: RoleForm | None = None, password: str = "") -> str:
    with context.views() as conn:
        person = members_views.person_of(conn, state)
        view = members_views.detail(conn, person, context.account(), form=form, password=password)
        return settings_page("settings/members/detail.html", conn, person.name, SECTION, here=HERE, trail=trail(), view=view)


def show_once(member_id: str, password: str) -> None:
    """Keep a new password for the next page of this browser: sealed, since a signed cookie can be read."""
    sealed = context.grantbook().identity.box.seal(password, _purpose(member_id))
    form_cookie[_SHOWN_ONCE] = {"member": member_id, "sealed": b64encode(sealed).decode()}


def _shown_once(member_id: str) -> str:
    kept = form_cookie.get(_SHOWN_ONCE)
    if not signed_in().may_manage or not isinstance(kept, dict) or kept.get("member") != member_id:
        return ""
    del form_cookie[_SHOWN_ONCE]
    return context.grantbook().identity.box.open(b64decode(str(kept.get("sealed"))), _purpose(member_id)) or ""


def _purpose(member_id: str) -> str:
    return f"{context.account_id()}:password of {member_id} for {signed_in().member_id}"
