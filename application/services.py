"""Everything a use case is handed: ports, clock, randomness and the names under which this server is reached."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from application.allowances import Allowances
from application.known_access import KnownAccess
from application.ports import AccessTokens, Codec, Passwords, Store
from domain.base import Context, Personal, Source


class Origin(NamedTuple):
    """Where a request came from: the peer's address, its user agent, through what door, and the stream of the client that it came through."""

    source: Source
    address: str | None = None
    user_agent: str | None = None
    client_stream: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Sign-ins in 15 minutes, registrations and authorization requests in an hour, per account, counted in PostgreSQL.

    Loopback peers get `loopback_factor` times as much.
    """

    sign_ins_per_address: int = 100
    sign_ins_per_login: int = 20
    registrations_per_address: int = 100
    authorizations_per_address: int = 1000
    loopback_factor: int = 100
    api_calls_per_minute: int = 1200
    """For each session, and ten times as many for each resource that reports its actions."""


@dataclass(frozen=True, slots=True)
class Services:
    """One per process. `issuer` has no trailing slash; `mcp_url` and `api_url` are the canonical resource identifiers."""

    issuer: str
    mcp_url: str
    api_url: str
    store: Store
    clock: Callable[[], datetime]
    codec: Codec
    access_tokens: AccessTokens
    passwords: Passwords
    login_key: Callable[[str, str], bytes]
    """(account id, normalised e-mail or IdP subject) -> keyed hash."""
    limits: Limits = Limits()
    allowances: Allowances = field(default_factory=Allowances)
    known_access: KnownAccess = field(default_factory=KnownAccess)
    new_salt: Callable[[], str] = lambda: secrets.token_hex(16)
    new_id: Callable[[], UUID] = uuid4
    new_token_id: Callable[[], str] = lambda: secrets.token_hex(16)
    new_secret: Callable[[], str] = lambda: secrets.token_urlsafe(32)

    def context(
        self,
        account_id: str,
        origin: Origin,
        *,
        actor_id: str | None = None,
        client_stream: str | None = None,
        about: str | None = None,
        now: datetime | None = None,
    ) -> Context:
        """The context of what is recorded now. Address and user agent are sealed under the key of the actor, else of the member whom it is about,
        else under the account's key of the day."""
        subject = actor_id or about or f"account:{account_id}"
        source, address, user_agent, came_through = origin
        return Context(
            account_id,
            now or self.clock(),
            source,
            self.new_salt,
            actor_id,
            client_stream or came_through,
            Personal(subject, address) if address else None,
            Personal(subject, user_agent[:256]) if user_agent else None,
        )
