"""Builds the pages about members: what can be changed as the write side has it now, the rest from the views."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from application import browser_sessions, foresee, manage_members
from application.identity_ports import NO_LOGIN, SignsInWith
from application.last_admin import is_only_admin
from domain.account import Account
from domain.auth_provider import AuthProvider, in_force, provider_of
from domain.base import Sealed
from domain.member import Member
from domain.scopes import OFFLINE_ACCESS
from projections.audit_log.queries import entries_about
from projections.consents.queries import list_consents
from projections.members.queries import AppInUse, MemberRow, apps_in_use
from projections.sessions.queries import SessionRow, list_sessions
from web.pages import context, explain_views, members_confirm, members_forms, members_words
from web.pages.audit_sentences import Known
from web.pages.formatting import absolute, listed, number
from web.pages.history import READ, timeline
from web.pages.integration_views import projects_words
from web.pages.members_models import AllowedApp, MemberDetail, MemberLine, MemberMarks, MemberStatus, RoleForm
from web.pages.models import AppMark, Confirm, HistoryEntry, Stat
from web.pages.people import row_of
from web.pages.scope_words import in_order
from web.pages.session import IDLE, signed_in

ABOUT: Final = (
    "user.added", "user.role_changed", "user.removed", "user.reactivated", "user.updated", "user.sso_linked", "user.sso_unlinked", "user.erased",
    "permission.added", "permission.removed", "password.changed", "login.ended",
)  # fmt: skip
"""What the history of a person is made of: what was changed about them, not what they did."""
APPS_SHOWN: Final = 2
_HOW: Final = {"setup": "at set-up", "admin": "by an admin", "sso": "at the first SSO sign-in", "scim": "by the directory"}
ONLY_ADMIN: Final = (
    "{} is the only account admin, so nobody can deactivate them or take account.manage away. Make somebody else an account admin first."
)


@dataclass(frozen=True, slots=True)
class Person:
    """One member: the state as it is now, the view's row (None where it is not there yet), and how they sign in."""

    state: Member
    row: MemberRow | None
    signing_in: SignsInWith

    @property
    def id(self) -> str:
        return str(self.state.id)

    @property
    def name(self) -> str:
        return _opened(self.state, "name") or _opened(self.state, "email") or "an erased member"

    @property
    def email(self) -> str:
        return _opened(self.state, "email") or ""


def _opened(state: Member, name: str) -> str | None:
    sealed = getattr(state, name)
    if state.erased or not isinstance(sealed, Sealed):
        return None
    return context.grantbook().keyring.open(sealed, f"{state.id}:{state.profile_version}")


def person_of(conn: Any, state: Member) -> Person:
    member_id = str(state.id)
    found = context.services().store.tables().signing_in(context.account_id(), [member_id])
    return Person(state, row_of(conn, context.account_id(), member_id), found.get(member_id, NO_LOGIN))


# ---- the list


def line(row: MemberRow, account: Account, apps: tuple[AppInUse, ...], signing_in: SignsInWith) -> MemberLine:
    status: MemberStatus = "erased" if row.erased else "active" if row.active else "deactivated"
    return MemberLine(
        member_id=row.member_id,
        name=row.name or row.email or "an erased member",
        email=row.email or "",
        role=row.role,
        where=members_words.role_where(row.role, row.permissions, account.projects),
        beyond=members_words.beyond(row.role, row.permissions, account.projects),
        less=members_words.less(row.role, row.permissions, account.projects),
        apps=tuple(app.name for app in apps[:APPS_SHOWN]),
        more_apps=max(0, len(apps) - APPS_SHOWN),
        signs_in=signs_in_words(signing_in),
        last_sign_in_at=row.last_sign_in_at,
        status=status,
        marks=marks(row.member_id, signing_in, provider_of(account)),
    )


def signs_in_words(found: SignsInWith) -> str:
    return listed([words for words, on in (("Password", found.password), ("SSO", found.sso)) if on]) or "Not yet"


def marks(member_id: str, found: SignsInWith, provider: AuthProvider) -> MemberMarks:
    return MemberMarks(
        you=member_id == signed_in().member_id, sso=found.sso, directory=found.directory, break_glass=member_id in provider.break_glass
    )


# ---- one person


def live_sessions(conn: Any, member_id: str) -> tuple[list[SessionRow], bool]:
    """The newest live sessions of a person, and whether there are more."""
    rows = list_sessions(conn, context.account_id(), member_id=member_id, limit=members_confirm.CAP + 1)
    return [row for row in rows[: members_confirm.CAP] if row.status == "active"], len(rows) > members_confirm.CAP


def open_sign_ins(member_id: str) -> int:
    return len(browser_sessions.sessions_of(context.services(), context.account_id(), member_id, idle=IDLE, opened=lambda _, __: None))


def detail(conn: Any, person: Person, account: Account, *, form: RoleForm | None = None, password: str = "") -> MemberDetail:
    state, row = person.state, person.row
    sessions, more = live_sessions(conn, person.id)
    held = {name: members_words.held_of(extent) for name, extent in state.held.items()}
    sign_ins, may_manage = open_sign_ins(person.id), signed_in().may_manage and not state.erased
    apps = _apps(conn, person.id, account, sessions)
    shown = marks(person.id, person.signing_in, provider_of(account))
    only = may_manage and state.active and is_only_admin(context.services(), state, actor_id=signed_in().member_id)
    return MemberDetail(
        member_id=person.id,
        name=person.name,
        email=person.email,
        role=state.role,
        status="erased" if state.erased else "active" if state.active else "deactivated",
        marks=shown,
        banner=_banner(conn, person),
        notes=_notes(person, account, only=only),
        stats=(
            Stat(label="Apps", words=number(len(apps))),
            Stat(label="Active sessions", words=f"{number(len(sessions))}{'+' if more else ''}"),
            Stat(label="Sign-ins open", words=number(sign_ins)),
            Stat(label="Last signed in", at=row.last_sign_in_at if row else None, words="never"),
        ),
        permissions=members_words.lines(state.role, held, account),
        apps=apps,
        facts=_facts(person, conn),
        added_at=row.added_at if row else state.created_on,
        history=history(conn, person.id, account),
        may_manage=may_manage,
        role_form=form or RoleForm(roles=members_forms.roles(state.role), places=members_forms.role_places(account, state.role, dict(state.held))),
        head_actions=_head_actions(person, sessions, more=more, sign_ins=sign_ins, only=only) if may_manage else (),
        access_actions=_access_actions(person, len(sessions), more=more, sign_ins=sign_ins) if may_manage else (),
        password=password,
    )


def _head_actions(person: Person, sessions: list[SessionRow], *, more: bool, sign_ins: int, only: bool) -> tuple[Confirm, ...]:
    if not person.state.active:
        return (members_confirm.reactivate(person.id, person.name, person.state.role),)
    return () if only else (deactivation(person, sessions, more=more, sign_ins=sign_ins),)


def deactivation(person: Person, sessions: list[SessionRow], *, more: bool, sign_ins: int) -> Confirm:
    """The question with what it ends; `Refused` for the only admin."""
    services, account_id, actor_id = context.services(), context.account_id(), signed_in().member_id
    decide = manage_members.deactivation(services, account_id, origin=context.origin(), actor_id=actor_id)
    found = foresee.of_member(services, person.state, decide, [row.grant_id for row in sessions], actor_id=actor_id)
    you, ttl = person.id == actor_id, context.account().session_policy.access_token_ttl
    return members_confirm.deactivate(person.id, person.name, found, more=more, sign_ins=sign_ins, you=you, ttl=ttl)


def _access_actions(person: Person, sessions: int, *, more: bool, sign_ins: int) -> tuple[Confirm, ...]:
    actions = []
    if sign_ins:
        actions.append(members_confirm.end_sign_ins(person.id, person.name, sign_ins))
    if sessions:
        actions.append(members_confirm.revoke_sessions(person.id, person.name, sessions, more=more))
    if person.state.active:
        actions.append(members_confirm.make_password(person.id, person.name, sign_ins, has_one=person.signing_in.password))
    return tuple(actions)


def _apps(conn: Any, member_id: str, account: Account, sessions: list[SessionRow]) -> tuple[AllowedApp, ...]:
    """The apps that somebody allows, the newest consent of each; when they were last used tells only of live sessions."""
    used = {app.fingerprint: app for app in apps_in_use(conn, context.account_id(), [member_id]).get(member_id, ())}
    last: dict[str | None, datetime] = {}
    for row in reversed(sessions):
        last[row.fingerprint] = max(row.last_used_at or row.created_at, last.get(row.fingerprint, row.created_at))
    found: dict[str, AllowedApp] = {}
    for consent in list_consents(conn, context.account_id(), member_id=member_id, in_force=True):
        app = used.get(consent.fingerprint or "")
        if app is not None:
            found.setdefault(
                app.fingerprint,
                AllowedApp(
                    page_id=app.client_stream,
                    app=AppMark(name=app.name, key=app.client_id),
                    scopes=in_order(code for code in consent.approved if code != OFFLINE_ACCESS),
                    projects=projects_words(consent.projects, account.projects),
                    last_used_at=last.get(app.fingerprint),
                    why=explain_views.why(member_id, consent.client_stream, consent.approved),
                ),
            )
    return tuple(found.values())


def _banner(conn: Any, person: Person) -> str:
    """Since when, by whom and why somebody is deactivated."""
    row, state = person.row, person.state
    if state.erased:
        return "This person was erased: name, address and what was said of them are gone."
    if state.active:
        return ""
    if row is None or row.deactivated_at is None:
        return "Deactivated. Nobody can sign in as this person."
    found = entries_about(conn, context.account_id(), person.id, ("user.removed",), limit=1)
    by = f" by {found[0].actor_name}" if found and found[0].actor_name else ""
    return f"Deactivated{by} on {absolute(row.deactivated_at)}{f': “{row.deactivated_reason}”' if row.deactivated_reason else ''}."


def _notes(person: Person, account: Account, *, only: bool) -> tuple[str, ...]:
    provider, found, notes = provider_of(account), person.signing_in, []
    if only:
        notes.append(ONLY_ADMIN.format(person.name))
    if found.directory:
        notes.append("The directory looks after this person: it changes name and address, deactivates and reactivates. The role is decided here.")
    if found.sso and in_force(account) and provider.group_roles and person.id not in provider.break_glass:
        notes.append("The role follows the groups of the provider at each SSO sign-in, so another role may not last.")
    if person.id in provider.break_glass:
        notes.append("A break-glass admin: may sign in by password when single sign-on fails.")
    return tuple(notes)


def _facts(person: Person, conn: Any) -> tuple[tuple[str, str], ...]:
    row = person.row
    by = row_of(conn, context.account_id(), row.added_by) if row and row.added_by and row.added_by != person.id else None
    how = _HOW.get(row.added_how, "") if row else ""
    added = f"by {by.name}" if by and by.name and row and row.added_how == "admin" else how
    words = {True: f"{signs_in_words(person.signing_in)}, looked after by the directory", False: signs_in_words(person.signing_in)}
    facts = (("Email", person.email), ("Signs in with", words[person.signing_in.directory]), ("Added", added))
    return tuple((label, text) for label, text in facts if text)


def history(conn: Any, member_id: str, account: Account) -> tuple[HistoryEntry, ...]:
    """What was changed about a person, by whom and when."""
    found = entries_about(conn, context.account_id(), member_id, ABOUT, limit=READ)
    people = {e.subject_id: e.subject_name for e in found} | {e.actor_id: e.actor_name for e in found if e.actor_type == "user"}
    return timeline(found, Known({id_: name for id_, name in people.items() if id_ and name}, account.projects))
