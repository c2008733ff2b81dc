"""Who a provider's identity is here: known by issuer and subject, linked by a proven e-mail address, or added just in time."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from application import emails
from application.browser_sessions import SignedIn, open_session
from application.identity_ports import Identity
from application.last_admin import take_access
from application.lookups import account_of
from application.manage_members import PASSWORD, new_member
from application.ports import Conflict, Recorded, Tables
from application.retrying import until_settled
from application.services import Origin, Services
from domain.account import Account
from domain.auth_provider import AuthProvider, in_force, provider_of
from domain.errors import AlreadyExists, InvalidInput, Refused
from domain.extent import Projects
from domain.member import Member
from domain.roles import permissions_of

log = logging.getLogger(__name__)

SSO = "sso"
"""The kind of login."""
_LONGEST_NAME = 200


class NotLetIn(Exception):
    """The provider knows the person, the account doesn't let them in. `message` is for them."""

    def __init__(self, reason: str, message: str, member_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.message, self.member_id = reason, message, member_id


def admit(services: Services, account_id: str, origin: Origin, identity: Identity, *, authenticated_at: datetime) -> SignedIn:
    """Open a session for the person, adding or linking them first where that is due; `NotLetIn` says why not, `Conflict` to try again."""
    account = account_of(services, account_id)
    provider = provider_of(account)
    if not in_force(account) or provider.issuer != identity.issuer:
        raise NotLetIn("provider_failed", "The account's single sign-on was changed meanwhile. Start again.")
    key = services.login_key(account_id, f"sso:{identity.subject}")
    found = services.store.tables().login(account_id, SSO, identity.issuer, key)
    if found is not None:
        member_id, link = UUID(found[0]), False
    else:
        email = _proven_email(provider, identity)
        existing = _by_email(services, account, email, identity, key)
        member_id, link = (existing, True) if existing else (_add(services, account, origin, identity, email, key), False)
    member = _active(services, account_id, member_id)
    if _follow_groups(services, account_id, member, provider, identity, origin):
        member = _active(services, account_id, member_id)
    if found is not None and services.store.tables().login(account_id, SSO, identity.issuer, key) != found:
        raise Conflict  # the link was cut before the version of the member that the session is judged on

    def with_login(tables: Tables) -> None:
        _add_login(tables, account_id, identity.issuer, key, member_id)

    if link:
        member.link_sso(identity.issuer, services.context(account_id, origin, actor_id=str(member_id)))
    return open_session(
        services, account_id, origin, member, method="sso", judged=[account], authenticated_at=authenticated_at, also=with_login if link else None
    )


def unlink(services: Services, account_id: str, member_id: UUID, *, origin: Origin, actor_id: str) -> Recorded:
    """Forget by which subjects the provider knows a person: the next sign-in links them anew, by a proven e-mail address."""

    def attempt() -> Recorded:
        member = _known(services, account_id, member_id)
        member.unlink_sso(services.context(account_id, origin, actor_id=actor_id))
        return services.store.append([member], also=lambda tables: tables.remove_sso_logins(account_id, str(member_id)))

    return until_settled(attempt)


def _proven_email(provider: AuthProvider, identity: Identity) -> str:
    if identity.email is None:
        raise NotLetIn("email_missing", "The provider gave no e-mail address for you. Ask an admin.")
    if not identity.email_verified:
        raise NotLetIn("email_unverified", "The provider has not verified your e-mail address. Verify it there, or ask an admin.")
    try:
        email = emails.normalised(identity.email)
    except InvalidInput:
        raise NotLetIn("email_missing", "The provider gave no e-mail address for you that can be one. Ask an admin.") from None
    if not provider.proven(email):
        raise NotLetIn("domain_refused", "Your e-mail address is of a domain that this account does not let in. Ask an admin.")
    return email


def _by_email(services: Services, account: Account, email: str, identity: Identity, key: bytes) -> UUID | None:
    """The member with this address, unless the provider knew them as somebody else: addresses are given to other people."""
    account_id = str(account.id)
    found = services.store.tables().login(account_id, PASSWORD, "", services.login_key(account_id, email))
    if found is None:
        return None
    if services.store.tables().sso_linked(account_id, found[0], identity.issuer):
        if services.store.tables().login(account_id, SSO, identity.issuer, key) is not None:
            raise Conflict  # another tab of the same person was quicker
        raise NotLetIn("other_subject", "Your e-mail address belongs to another login of the provider here. Ask an admin.", found[0])
    return UUID(found[0])


def _add(services: Services, account: Account, origin: Origin, identity: Identity, email: str, key: bytes) -> UUID:
    """Just in time, with the role of their groups or the default one. Both logins come in the transaction of `member.added`."""
    account_id, member_id = str(account.id), services.new_id()
    role = provider_of(account).role_for(identity.groups or ())
    name = " ".join("".join(c if c.isprintable() else " " for c in identity.name or "").split())[:_LONGEST_NAME] or email.partition("@")[0]
    context = services.context(account_id, origin)
    member = new_member(member_id, context, role=role, projects="*", name=name, email=email, by="sso")
    member.link_sso(identity.issuer, context)

    def with_logins(tables: Tables) -> None:
        try:
            tables.add_login(account_id, PASSWORD, "", services.login_key(account_id, email), str(member_id), None)
        except AlreadyExists:
            raise Conflict from None
        _add_login(tables, account_id, identity.issuer, key, member_id)

    services.store.append([member], [account], also=with_logins)
    return member_id


def _add_login(tables: Tables, account_id: str, issuer: str, key: bytes, member_id: UUID) -> None:
    """Another tab may have been quicker: then we look again."""
    try:
        tables.add_login(account_id, SSO, issuer, key, str(member_id), None)
    except AlreadyExists:
        raise Conflict from None


def _known(services: Services, account_id: str, member_id: UUID) -> Member:
    member = services.store.load(Member, member_id)
    if member is None or member.account_id != account_id:
        raise NotLetIn("deactivated", "There is no such member any more. Ask an admin.", str(member_id))
    return member.copy()


def _active(services: Services, account_id: str, member_id: UUID) -> Member:
    member = _known(services, account_id, member_id)
    if not member.active:
        raise NotLetIn("deactivated", "You are deactivated in this account. Ask an admin.", str(member_id))
    return member


def _follow_groups(services: Services, account_id: str, member: Member, provider: AuthProvider, identity: Identity, origin: Origin) -> bool:
    """Give the member the role of their groups, in the projects that they had. A break-glass admin keeps theirs, and so does the only admin."""
    if not provider.group_roles or identity.groups is None or str(member.id) in provider.break_glass:
        return False
    wanted = provider.role_for(identity.groups)
    if wanted == member.role:
        return False

    def decide(found: Member) -> None:
        found.change_role(wanted, permissions_of(wanted), _projects(found), services.context(account_id, origin))

    try:
        take_access(services, account_id, member.id, decide)
    except Refused:
        log.warning("member %s keeps the role, whatever the groups say: the only account admin", member.id)
        return False
    return True


def _projects(member: Member) -> Projects:
    """All projects, unless everything that the member holds per project is limited to some."""
    extents = [extent for extent in member.held.values() if not extent.empty and not extent.holds_all()]
    limited = [name for extent in extents for name in extent.named]
    return tuple(dict.fromkeys(limited)) if limited else "*"
