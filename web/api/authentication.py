"""Who may call: the bearer token judged on the write side, its scope, and what the member holds at this moment (PROTOCOL.md 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from uuid import UUID

from flask import g, request

from application.introspect_token import judge
from application.services import Services
from domain.account import Account
from web import challenges
from web.api import context
from web.api.context import Caller, Reporter
from web.api.problems import Problem
from web.oauth.client_auth import ClientNotAuthenticated, ResourceCredentials

READ, MANAGE = "account:read", "account:manage"
RESOURCE = "the resource's own credentials"


@dataclass(frozen=True, slots=True)
class Needs:
    """What an operation asks of its caller. `operation` names a change for the audit log, `conditional` one that needs If-Match."""

    scope: str
    permissions: tuple[str, ...]
    operation: str | None = None
    conditional: bool = False


def identify(needs: Needs) -> Caller:
    """The caller, with the scope that is needed; `Problem` otherwise. Permissions are checked by `permit`, so that a refusal can be recorded."""
    account_id, account = this_account()
    services = context.services()
    resource = account.resources.get(services.api_url)
    if resource is None:
        raise Problem("not-set-up", f"The API is no protected resource of this account: register {services.api_url}.")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem("unauthorized", headers={"WWW-Authenticate": challenges.unauthorized(resource, account)})
    judged = judge(services, account_id, token.strip(), services.clock())
    if judged is None or judged.claims["aud"] != resource.identifier:
        said = "The access token is not valid (any more)."
        raise Problem("invalid-token", headers={"WWW-Authenticate": challenges.unauthorized(resource, account, "invalid_token", said)})
    caller = Caller(account_id, resource, judged)
    g.api_caller = caller
    take(services, f"api:{judged.claims['grant_id']}", services.limits.api_calls_per_minute)
    if not judged.access.allows(needs.scope):
        said = f"This needs the scope {needs.scope}. {challenges.lacking(judged.standing, needs.scope)}"
        challenge = challenges.insufficient_scope(resource, needs.scope, judged.access.scopes, said)
        raise Problem("insufficient-scope", said, headers={"WWW-Authenticate": challenge})
    return caller


def permit(caller: Caller, permissions: Sequence[str]) -> None:
    """Refuse a member who lacks one of the permissions now, whatever the token says."""
    missing = [permission for permission in permissions if not caller.member.holds(permission)]
    if missing:
        raise Problem("not-permitted", f"You need the permission {' and '.join(missing)}.")


def identify_resource() -> Reporter:
    """The resource that calls with its introspection credentials (HTTP Basic)."""
    account_id, account = this_account()
    services = context.services()
    try:
        identifier = _credentials().check(services, account_id, {}, request.headers)(account)
    except ClientNotAuthenticated as error:
        raise Problem("unauthorized", error.message, headers={"WWW-Authenticate": 'Basic realm="grantbook"'}) from None
    if identifier not in account.resources:
        raise Problem("unauthorized", headers={"WWW-Authenticate": 'Basic realm="grantbook"'})
    take(services, f"api:{account_id}:{identifier}", services.limits.api_calls_per_minute * 10)
    g.api_reporter = Reporter(account_id, account.resources[identifier])
    return context.reporter()


def this_account() -> tuple[str, Account]:
    """The account of this host."""
    app = context.grantbook()
    account_id = app.directory.account_for(request.host)
    account = None if account_id is None else app.services.store.load(Account, UUID(account_id))
    if account_id is None or account is None:
        raise Problem("not-set-up", headers={"Retry-After": "5"})
    return account_id, account


def take(services: Services, bucket: str, limit: int) -> None:
    """Count one call of this minute."""
    now = services.clock()
    minute = now.replace(second=0, microsecond=0)
    if not services.allowances.take(services.store.tables(), bucket, minute, limit):
        wait = int((minute + timedelta(minutes=1) - now).total_seconds()) + 1
        raise Problem("too-many-requests", f"{limit} calls a minute are allowed.", headers={"Retry-After": str(wait)})


@cache
def _credentials() -> ResourceCredentials:
    return ResourceCredentials()
