"""Builds the single sign-on page from the account's settings, or from what was typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from werkzeug.datastructures import MultiDict

from application import sso_settings
from application.services import Services
from application.sso_sign_in import redirect_uri
from domain.account import Account
from domain.auth_provider import DIRECTORY, PROVIDER, AuthProvider, included, provider_of
from domain.errors import InvalidInput
from domain.roles import ACCOUNT_ADMIN, ROLES
from projections.audit_log.queries import entries
from projections.members.queries import find_members, member
from web.pages.audit_sentences import Known
from web.pages.history import timeline
from web.pages.models import Choice
from web.pages.people import names
from web.pages.sso_models import DomainRow, SsoForm, SsoView

SCIM_PATH: Final = "/scim/v2"
_ADMINS: Final = 200
_LAST: Final = 5


def view_of(conn: Any, services: Services, account: Account, *, may_manage: bool, form: SsoForm | None = None, **more: Any) -> SsoView:
    """The page. `more`: what a deed has just shown."""
    account_id, provider = str(account.id), provider_of(account)
    changes = entries(conn, account_id, event_type="auth_provider.changed", limit=_LAST)
    return SsoView(
        included=included(account),
        plan=account.plan,
        may_manage=may_manage,
        form=form or form_of(conn, services, account, provider),
        redirect_uri=redirect_uri(services),
        domains=_domains(services, account_id, provider),
        domain_typed=more.pop("domain_typed", ""),
        scim_url=services.issuer + SCIM_PATH,
        scim_on=bool(account.auth_providers.get(DIRECTORY, {}).get("enabled")),
        scim_token_id=scim_token_id(account),
        history=timeline(changes, Known(names(conn, account_id, changes), account.projects)),
        **more,
    )


def scim_token_id(account: Account) -> str:
    """Which token the directory has: a form that was made under another one is out of date."""
    return str(account.auth_providers.get(DIRECTORY, {}).get("token_id", ""))


def form_of(conn: Any, services: Services, account: Account, provider: AuthProvider) -> SsoForm:
    """The settings as they are."""
    return SsoForm(
        issuer=provider.issuer,
        client_id=provider.client_id,
        secret_set=_secret_set(services, account),
        enabled=provider.enabled,
        scopes=" ".join(provider.scopes),
        roles=_roles(provider.default_role),
        groups_claim=provider.groups_claim,
        group_roles="\n".join(f"{group} = {role}" for group, role in provider.group_roles),
        enforced=provider.enforced,
        break_glass=_break_glass(conn, services, account, frozenset(provider.break_glass)),
    )


def form_from(conn: Any, services: Services, account: Account, typed: MultiDict[str, str], errors: Mapping[str, str]) -> SsoForm:
    """The settings as typed; a secret is typed again."""
    return SsoForm(
        issuer=typed.get("issuer", ""),
        client_id=typed.get("client_id", ""),
        secret_set=_secret_set(services, account),
        enabled="enabled" in typed,
        scopes=typed.get("scopes", ""),
        roles=_roles(typed.get("default_role", "")),
        groups_claim=typed.get("groups_claim", ""),
        group_roles=typed.get("group_roles", ""),
        enforced="enforced" in typed,
        break_glass=_break_glass(conn, services, account, frozenset(typed.getlist("break_glass"))),
        errors=dict(errors),
    )


def group_roles(text: str) -> tuple[tuple[str, str], ...]:
    """One mapping a line, `group = Role`; the group may hold `=`, a role never does. Of two lines for one group the first counts."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        group, sign, role = line.rpartition("=")
        if not line.strip():
            continue
        if not sign or not group.strip() or not role.strip():
            raise InvalidInput(f"Line {number} is not of the form “group = Role”.", field="group_roles")
        if role.strip() not in ROLES:
            raise InvalidInput(f"Line {number}: there is no role {role.strip()!r}. Roles: {', '.join(ROLES)}.", field="group_roles")
        found.setdefault(group.strip(), role.strip())
    return tuple(found.items())


def _secret_set(services: Services, account: Account) -> bool:
    return services.store.tables().provider_secret(str(account.id), PROVIDER) is not None


def _roles(chosen: str) -> tuple[Choice, ...]:
    return tuple(Choice(value=role, words=role, chosen=role == chosen) for role in ROLES)


def _break_glass(conn: Any, services: Services, account: Account, chosen: frozenset[str]) -> tuple[Choice, ...]:
    """The admins who can be one; the view names them, the write side says who is."""
    account_id = str(account.id)
    named = [row for row in (member(conn, account_id, member_id) for member_id in sorted(chosen)) if row is not None and row.active]
    rows = {row.member_id: row for row in (*find_members(conn, account_id, role=ACCOUNT_ADMIN, status="active", limit=_ADMINS), *named)}
    able = {str(found) for found in sso_settings.admins_with_password(services, account_id, [UUID(member_id) for member_id in rows])}
    return tuple(
        Choice(value=member_id, words=row.name or row.email or "an erased member", chosen=member_id in chosen)
        for member_id, row in rows.items()
        if member_id in able or member_id in chosen
    )


def _domains(services: Services, account_id: str, provider: AuthProvider) -> tuple[DomainRow, ...]:
    rows = [(name, True) for name in provider.domains] + [(name, False) for name in provider.waiting_domains]
    return tuple(
        DomainRow(name=name, proven=proven, line=sso_settings.proof_of(services, account_id, name), url=f"https://{name}{sso_settings.PROOF_PATH}")
        for name, proven in sorted(rows)
    )
