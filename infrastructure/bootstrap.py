"""The composition root: makes, for one process, everything that the use cases and pages are handed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg

from application import services as application
from application.identity_ports import IdentityTools
from application.ports import Busy, Passwords
from application.services import Services
from domain.tokens import Token, TokenCodec
from infrastructure import clock as system
from infrastructure.database import VIEWS, connect, views_dsn, with_parameters
from infrastructure.directory import Directory, HostDirectory
from infrastructure.embedded import EmbeddedPostgres
from infrastructure.identity import identity_tools
from infrastructure.login_keys import LoginKeys
from infrastructure.passwords import Argon2Passwords
from infrastructure.randomness import random_hex, random_uuid
from infrastructure.readiness import Readiness, readiness
from infrastructure.settings import Settings, load_settings
from infrastructure.signing import JwtAccessTokens
from infrastructure.store.era import unfit
from infrastructure.store.keyring import Keyring
from infrastructure.store.store import PostgresStore
from infrastructure.tasks import aside

MCP_PATH = "/api/ai/v1/mcp"
API_PATH = "/api/v1"
EPOCH = "epoch"


@dataclass(frozen=True)
class App:
    """One per process. It connects at first use, so it may be made before the database answers.

    What answers for one account uses `directory.services_of(account_id)`: where accounts have hosts of their own, `services` has no URLs.
    """

    settings: Settings
    services: Services
    store: PostgresStore
    keyring: Keyring
    access_tokens: JwtAccessTokens
    identity: IdentityTools
    directory: Directory
    dsn: str
    read_dsn: str
    _local: threading.local

    @contextlib.contextmanager
    def views(self) -> Iterator[psycopg.Connection[Any]]:
        """This thread's connection to the views (the replica where one is set), read-only; a lost one is made anew next time."""
        connection: psycopg.Connection[Any] | None = getattr(self._local, "views", None)
        if connection is None or connection.closed:
            connection = self._local.views = connect(self.read_dsn)
        try:
            yield connection
        finally:
            if connection.broken:
                connection.close()

    def status(self) -> Readiness:
        """For /readyz."""
        return readiness(self.dsn, self.services, self.settings)

    def close(self) -> None:
        """Close all connections, at the end of a command."""
        views = getattr(self._local, "views", None)
        if views is not None:
            views.close()
        self.store.close()


class StoreCodec:
    """`application.ports.Codec` whose epoch stands in the store and is read at the first token; `Busy` while it may not be."""

    def __init__(self, secret_keys: tuple[bytes, ...], epoch: Callable[[], int]) -> None:
        self._secret_keys, self._epoch = secret_keys, epoch
        self._codec: TokenCodec | None = None
        known = TokenCodec(secret_keys, 0)
        self.key_id, self.single_key = known.key_id, known.single_key

    def make(self, kind: int, grant_id: UUID, generation: int, version: int, key_id: str | None = None) -> str:
        return (self._codec or self._known()).make(kind, grant_id, generation, version, key_id)

    def read(self, text: str) -> Token | None:
        return (self._codec or self._known()).read(text)

    def _known(self) -> TokenCodec:
        self._codec = TokenCodec(self._secret_keys, aside(self._epoch))
        return self._codec


def bootstrap(
    settings: Settings | None = None, *, dsn: str | None = None, clock: Callable[[], datetime] = system.now, passwords: Passwords | None = None
) -> App:
    """Wire one process, from the environment's settings if none are given. `dsn`: the web role's database; fakes come in as arguments."""
    settings = settings or load_settings()
    dsn = dsn or web_dsn(settings)
    keyring = Keyring(dsn, settings.wrapping_keys)
    store = PostgresStore(dsn, keyring, clock=clock)
    tokens = JwtAccessTokens(settings.base_url, settings.secret_keys, lambda: _signing_keys(dsn, store))
    services = Services(
        issuer=settings.base_url,
        mcp_url=settings.gateway_url + MCP_PATH,
        api_url=settings.base_url + API_PATH,
        store=store,
        clock=clock,
        codec=StoreCodec(settings.secret_keys, lambda: _epoch(dsn, store)),
        access_tokens=tokens,
        passwords=passwords or Argon2Passwords(),
        login_key=LoginKeys(store, settings.secret_keys),
        limits=_limits(settings),
        new_salt=partial(random_hex, 16),
        new_id=random_uuid,
        new_token_id=partial(random_hex, 16),
    )
    read_dsn = views_dsn(settings.database_read_url or dsn)
    identity = identity_tools(settings.base_url, settings.secret_keys, keyring)
    return App(settings, services, store, keyring, tokens, identity, _directory(settings, services, tokens), dsn, read_dsn, threading.local())


def _epoch(dsn: str, store: PostgresStore) -> int:
    """The epoch of this store's codes and refresh tokens."""
    _see_that_it_is_fit(dsn)
    return int(store.tables().keep_meta(EPOCH, "1"))


def _signing_keys(dsn: str, store: PostgresStore) -> list[dict[str, Any]]:
    """The keys of its access tokens."""
    _see_that_it_is_fit(dsn)
    return store.tables().signing_keys(None)


def _see_that_it_is_fit(dsn: str) -> None:
    """`Busy` where a restored copy was not adopted, since what was spent or revoked since is good again there."""
    with connect(with_parameters(dsn, application_name=VIEWS)) as connection:
        why = unfit(connection)
    if why is not None:
        raise Busy(why, retry_after=30)


def _directory(settings: Settings, services: Services, tokens: JwtAccessTokens) -> Directory:
    if not settings.by_host:
        return Directory(services)
    return HostDirectory(services, tokens.issued_by, urlsplit(settings.base_url).hostname or "")


def web_dsn(settings: Settings) -> str:
    """The web role's database: the configured one, or the embedded server's, which must have been started."""
    return settings.database_url or EmbeddedPostgres(settings.data_dir).web_dsn


def owner_dsn(settings: Settings) -> str | None:
    """The owner's database, for migrations; None where an external one has no owner configured."""
    return EmbeddedPostgres(settings.data_dir).owner_dsn if settings.embedded else settings.owner_database_url


def _limits(settings: Settings) -> application.Limits:
    ours = settings.limits
    return application.Limits(
        sign_ins_per_address=ours.sign_in_per_address,
        sign_ins_per_login=ours.sign_in_per_login,
        registrations_per_address=ours.registration_per_address,
        authorizations_per_address=ours.authorization_per_address,
        api_calls_per_minute=ours.api_calls_per_minute,
        loopback_factor=ours.loopback_factor,
    )
