"""Members: added with a role, changed, permitted and forbidden, deactivated and reactivated, given a password."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from application import emails, password_rules
from application.last_admin import take_access
from application.lookups import account_of, change, member_of
from application.ports import Recorded, Tables
from application.retrying import until_settled
from application.services import Origin, Services
from domain.account import Account
from domain.base import Context, Personal
from domain.errors import AlreadyExists, InvalidInput, NotFound
from domain.extent import Projects
from domain.member import Member
from domain.roles import permissions_of

PASSWORD = "password"  # noqa: S105  # the kind of login
_NAME_LIMIT = 200

Decision = Callable[[Member], None]
"""Records on a member what was decided."""


@dataclass(frozen=True, slots=True)
class Added:
    """The new member and what was recorded."""

    member_id: UUID
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A person's login, checked and hashed. `secret` is None until a password is set."""

    email: str
    key: bytes
    secret: str | None


def new_login(services: Services, account_id: str, email: str, password: str | None) -> NewLogin:
    """Check an e-mail address and a password and hash the latter; `InvalidInput` names the field."""
    address = emails.normalised(email)
    if password is not None:
        password_rules.check(password, address)
    secret = None if password is None else services.passwords.hash(password_rules.prepared(password))
    return NewLogin(address, services.login_key(account_id, address), secret)


def new_member(stream_id: UUID, context: Context, *, role: str, projects: Projects, name: str, email: str, by: str) -> Member:
    """A member before it is appended; name and e-mail will be sealed under the member's own key."""
    shown = " ".join(name.split())
    if not shown or len(shown) > _NAME_LIMIT:
        raise InvalidInput(f"A member's name has 1 to {_NAME_LIMIT} characters.", field="name")
    personal = {"name": Personal(str(stream_id), shown), "email": Personal(str(stream_id), email)}
    return Member.add(stream_id, context, role=role, permissions=permissions_of(role), projects=projects, by=by, **personal)


def add_member(
    services: Services,
    account_id: str,
    *,
    email: str,
    name: str,
    role: str,
    origin: Origin,
    projects: Sequence[str] = (),
    password: str | None = None,
    actor_id: str | None = None,
    by: str = "admin",
) -> Added:
    """Add a member; `projects` by id or name limit the role, none means all. `AlreadyExists` if the address is taken."""
    login = new_login(services, account_id, email, password)
    member_id = services.new_id()

    def with_login(tables: Tables) -> None:
        tables.add_login(account_id, PASSWORD, "", login.key, str(member_id), login.secret)

    def attempt() -> Recorded:
        account = account_of(services, account_id)
        context = services.context(account_id, origin, actor_id=actor_id)
        where = project_ids(account, projects)
        member = new_member(member_id, context, role=role, projects=where, name=name, email=login.email, by=by)
        try:
            return services.store.append([member], [account], also=with_login)
        except AlreadyExists:
            raise AlreadyExists(f"There is a member {login.email} already.", field="email") from None

    return Added(member_id, until_settled(attempt))


def find_member(services: Services, account_id: str, email: str) -> UUID:
    """The member with this e-mail address; `NotFound` says so."""
    key = services.login_key(account_id, emails.normalised(email))
    found = services.store.tables().login(account_id, PASSWORD, "", key)
    if found is None:
        raise NotFound(f"There is no member {email.strip()} in this account.", field="email")
    return UUID(found[0])


def project_ids(account: Account, projects: Sequence[str]) -> Projects:
    """The projects by id, given by id or name; none named means all."""
    return tuple(dict.fromkeys(account.project(p) for p in projects)) if projects else "*"


def role_change(
    services: Services, account_id: str, role: str, *, origin: Origin, projects: Sequence[str] = (), actor_id: str | None = None
) -> Decision:
    """What giving a member this role is, to be carried out or only foreseen."""
    permissions = permissions_of(role)

    def decide(member: Member) -> None:
        where = project_ids(account_of(services, account_id), projects)
        member.change_role(role, permissions, where, services.context(account_id, origin, actor_id=actor_id))

    return decide


def permission_change(
    services: Services,
    account_id: str,
    record: Callable[[Member, str, Projects, Context], None],
    permission: str,
    *,
    origin: Origin,
    projects: Sequence[str] = (),
    actor_id: str | None = None,
) -> Decision:
    """What granting or taking one permission (`record`: `Member.permit` or `Member.forbid`) is, to be carried out or only foreseen."""

    def decide(member: Member) -> None:
        where = project_ids(account_of(services, account_id), projects)
        record(member, permission, where, services.context(account_id, origin, actor_id=actor_id))

    return decide


def deactivation(services: Services, account_id: str, *, origin: Origin, reason: str | None = None, actor_id: str | None = None) -> Decision:
    """What deactivating a member is, to be carried out or only foreseen."""
    return lambda member: member.deactivate(services.context(account_id, origin, actor_id=actor_id), reason)


def change_role(
    services: Services, account_id: str, member_id: UUID, role: str, *, origin: Origin, projects: Sequence[str] = (), actor_id: str | None = None
) -> Recorded | None:
    """Give the member this role in place of the old one, for all projects or the named ones; None if nothing of it is new. The only admin can't
    be demoted."""
    decide = role_change(services, account_id, role, origin=origin, projects=projects, actor_id=actor_id)
    return take_access(services, account_id, member_id, decide, actor_id=actor_id)


def permit(
    services: Services,
    account_id: str,
    member_id: UUID,
    permission: str,
    *,
    origin: Origin,
    projects: Sequence[str] = (),
    actor_id: str | None = None,
) -> Recorded | None:
    """Grant one permission beside the role; None if the member holds it there already."""
    decide = permission_change(services, account_id, Member.permit, permission, origin=origin, projects=projects, actor_id=actor_id)
    return _change(services, account_id, member_id, decide)


def forbid(
    services: Services,
    account_id: str,
    member_id: UUID,
    permission: str,
    *,
    origin: Origin,
    projects: Sequence[str] = (),
    actor_id: str | None = None,
) -> Recorded | None:
    """Take one permission away, for all projects or the named ones, felt by the next request; the only admin keeps `account.manage`."""
    decide = permission_change(services, account_id, Member.forbid, permission, origin=origin, projects=projects, actor_id=actor_id)
    return take_access(services, account_id, member_id, decide, actor_id=actor_id)


def deactivate(
    services: Services, account_id: str, member_id: UUID, *, origin: Origin, reason: str | None = None, actor_id: str | None = None
) -> Recorded | None:
    """End everything of a member at once: grants, browser sessions, sign-ins to come. The only admin is `Refused`."""

    def signed_out(tables: Tables) -> None:
        tables.remove_browser_sessions_of(account_id, str(member_id))

    decide = deactivation(services, account_id, origin=origin, reason=reason, actor_id=actor_id)
    return take_access(services, account_id, member_id, decide, actor_id=actor_id, also=signed_out)


def reactivate(
    services: Services, account_id: str, member_id: UUID, *, origin: Origin, reason: str | None = None, actor_id: str | None = None
) -> Recorded | None:
    """Let a deactivated member act again; what ended stays ended."""
    return _change(services, account_id, member_id, lambda m: m.reactivate(services.context(account_id, origin, actor_id=actor_id), reason))


def set_password(
    services: Services, account_id: str, member_id: UUID, email: str, password: str, *, origin: Origin, actor_id: str | None = None
) -> Recorded:
    """Set or replace the password and end the member's browser sessions; `email` is the member's, which the password may not hold."""
    login = new_login(services, account_id, email, password)
    assert login.secret is not None
    secret = login.secret

    def with_secret(tables: Tables) -> None:
        tables.set_login_secret(account_id, str(member_id), secret)
        tables.remove_browser_sessions_of(account_id, str(member_id))

    def attempt() -> Recorded:
        member = member_of(services, account_id, member_id)
        member.change_password(services.context(account_id, origin, actor_id=actor_id))
        return services.store.append([member], also=with_secret)

    return until_settled(attempt)


def _change(services: Services, account_id: str, member_id: UUID, decide: Decision) -> Recorded | None:
    return change(services, lambda: member_of(services, account_id, member_id), decide)
