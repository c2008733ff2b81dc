"""The bearer token of an account's directory: made and replaced by an admin, shown once, stored as a hash, taken away again."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from application.lookups import account_of
from application.manage_resources import secret_hash
from application.ports import Recorded, Tables
from application.retrying import until_settled
from application.services import Origin, Services
from domain.auth_provider import DIRECTORY, change_directory

_KIND = DIRECTORY
_OWNER = DIRECTORY
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class DirectoryToken:
    """The token, shown once."""

    token: str = field(repr=False)
    recorded: Recorded


def rotate(services: Services, account_id: str, *, origin: Origin, actor_id: str) -> DirectoryToken:
    """Make the token, or another one: the old one is refused at once."""
    token_id, secret = f"scim_{services.new_id().hex[:24]}", services.new_secret()

    def with_token(tables: Tables) -> None:
        tables.remove_credentials(account_id, _KIND, _OWNER)
        tables.add_credential(token_id, account_id, _KIND, _OWNER, secret_hash(secret))

    def attempt() -> Recorded:
        account = account_of(services, account_id)
        change_directory(account, {"enabled": True, "token_id": token_id}, services.context(account_id, origin, actor_id=actor_id))
        return services.store.append([account], also=with_token)

    return DirectoryToken(f"{token_id}.{secret}", until_settled(attempt))


def remove(services: Services, account_id: str, *, origin: Origin, actor_id: str) -> Recorded:
    """Take the token away: the directory can't change anybody any more."""

    def attempt() -> Recorded:
        account = account_of(services, account_id)
        change_directory(account, {"enabled": False}, services.context(account_id, origin, actor_id=actor_id))
        return services.store.append([account], also=lambda tables: tables.remove_credentials(account_id, _KIND, _OWNER))

    return until_settled(attempt)


def valid(services: Services, account_id: str, token: str) -> bool:
    """Whether this is the account's token now."""
    token_id, _, secret = token.partition(".")
    if len(token) > _LONGEST or not secret or not token.isascii():
        return False
    found = services.store.tables().credential(token_id)
    if found is None or found[:2] != (account_id, _KIND):
        return False
    return hmac.compare_digest(found[3], secret_hash(secret))
