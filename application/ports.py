"""What the use cases need from the outside, as protocols: the event store, ordinary tables, tokens, passwords and limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from application.identity_ports import IdentityTables
from domain.access import Access, Standing
from domain.base import Personal, PersonalField, Sealed, Stream
from domain.grant import Grant
from domain.tokens import Token

TStream = TypeVar("TStream", bound=Stream)


class Conflict(Exception):
    """Something newer stands on a stream that the decision was judged on: read the tail and decide again."""


class Busy(Exception):
    """Too many lost tries, or the database can't answer now; nothing was decided. The client may try again after `retry_after` seconds."""

    def __init__(self, message: str = "The server is busy.", retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an append wrote: the last event's stream and version (its position comes from the sequencer later)."""

    stream_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What stands under an idempotency key: the digest of its request, and the answer once there is one.

    `lost`: the call was carried out and died before its answer was kept.
    """

    request: bytes
    lost: bool
    answer: bytes | None


class Tables(IdentityTables, Protocol):
    """The ordinary tables, on one connection. Inside `Store.append(also=...)` they write in the append's own transaction."""

    def add_account(self, account_id: str, slug: str, name: str) -> None: ...
    def accounts(self) -> list[tuple[str, str, str]]: ...  # (account id, slug, name)
    def add_login(self, account_id: str, kind: str, issuer: str, key: bytes, member_id: str, secret: str | None) -> None: ...  # AlreadyExists
    def login(self, account_id: str, kind: str, issuer: str, key: bytes) -> tuple[str, str | None] | None: ...  # (member id, secret)
    def set_login_secret(self, account_id: str, member_id: str, secret: str) -> None: ...
    def remove_logins(self, account_id: str, member_id: str) -> None: ...
    def members_with_login(self, account_id: str) -> list[str]: ...
    def subject_kids(self, subject: str) -> tuple[str, ...]: ...  # the data keys that there are
    def erase_member(self, account_id: str, member_id: str, said: Sequence[str]) -> None: ...  # beside `member.erased`; `said`: name and address
    def keys_before(self, account_id: str, before: date) -> list[tuple[str, str]]: ...  # (kid, subject) of quarters and days that ended before it
    def destroy_keys(self, kids: Sequence[str]) -> None: ...  # beside `ledger.keys_expired`
    def set_directory_profile(self, account_id: str, member_id: str, profile: dict[str, Any]) -> None: ...
    def still_at(self, account_id: str, stream_id: UUID, version: int) -> bool: ...  # beside an append: askers of one account take turns
    def add_credential(self, credential_id: str, account_id: str, kind: str, owner: str, secret_hash: bytes) -> None: ...
    def replace_credential(self, credential_id: str, secret_hash: bytes) -> None: ...
    def credential(self, credential_id: str) -> tuple[str, str, str, bytes] | None: ...  # (account id, kind, owner, secret hash)
    def remove_credentials(self, account_id: str, kind: str, owner: str) -> None: ...
    def add_authorization_request(
        self, request_id: str, account_id: str, client_stream: str, parameters: dict[str, Any], expires_at: datetime
    ) -> None: ...
    def authorization_request(self, request_id: str, now: datetime) -> dict[str, Any] | None: ...  # account_id, client_stream, parameters, created_at
    def use_authorization_request(self, request_id: str, now: datetime) -> bool: ...  # False: used before or expired
    def add_browser_session(
        self,
        id_hash: bytes,
        account_id: str,
        member_id: str,
        sign_in_id: UUID,
        now: datetime,
        expires_at: datetime,
        authenticated_at: datetime | None = None,  # now, where nothing else is known
    ) -> None: ...
    def browser_session(
        self, id_hash: bytes
    ) -> dict[str, Any] | None: ...  # account_id, member_id, sign_in_id, created_at, last_seen_at, expires_at, authenticated_at
    def touch_browser_session(self, id_hash: bytes, now: datetime) -> None: ...
    def browser_sessions_of(self, account_id: str, member_id: str) -> list[dict[str, Any]]: ...
    def remove_browser_session(self, id_hash: bytes) -> None: ...
    def remove_browser_sessions_of(self, account_id: str, member_id: str) -> None: ...
    def add_gateway_session(self, id_hash: bytes, account_id: str, grant_id: str, upstream_session: str) -> None: ...
    def gateway_session(self, id_hash: bytes) -> tuple[str, str] | None: ...  # (grant id, the upstream's session id)
    def remove_gateway_session(self, id_hash: bytes) -> None: ...
    def claim_idempotency_key(self, key_id: bytes, account_id: str, request: bytes, now: datetime) -> KeptAnswer | None: ...  # None: it is ours now
    def mark_idempotency_key(self, key_id: bytes) -> None: ...  # beside the append: what was asked has been done
    def keep_idempotent_answer(self, key_id: bytes, answer: bytes) -> None: ...
    def release_idempotency_key(self, key_id: bytes) -> None: ...  # unless what was asked has been done
    def add_setup_link(self, link_hash: bytes, now: datetime, expires_at: datetime) -> None: ...
    def setup_link_valid(self, link_hash: bytes, now: datetime) -> bool: ...
    def use_setup_link(self, link_hash: bytes, now: datetime) -> bool: ...
    def add_consent_text(self, sha256: bytes, language: str, body: str) -> None: ...
    def consent_text(self, sha256: bytes) -> str | None: ...
    def add_signing_key(
        self, kid: str, account_id: str, use: str, alg: str, public_jwk: str, private_wrapped: bytes, now: datetime, activate_at: datetime
    ) -> None: ...
    def signing_keys(self, account_id: str | None) -> list[dict[str, Any]]: ...  # all columns; None: of all accounts
    def set_signing_key_status(self, kid: str, status: str, now: datetime) -> None: ...
    def count(self, bucket: str, window_start: datetime, by: int = 1) -> int: ...  # the count after adding `by`
    def meta(self, key: str) -> str | None: ...
    def set_meta(self, key: str, value: str) -> None: ...
    def keep_meta(self, key: str, value: str) -> str: ...  # the value that stands there now: this one, or an earlier one
    def prune(self, now: datetime) -> None: ...  # remove what expired: counters, browser sessions, requests, links


class Store(Protocol):
    """The event store. Every state it returns is up to date with a statement that began after the call did, unless `cached` is in the name."""

    def load(self, kind: type[TStream], stream_id: UUID) -> TStream | None: ...
    def load_many(self, wanted: Sequence[tuple[type[Stream], UUID]]) -> list[Any]:
        """Several streams by one statement; None for those that don't exist."""
        ...

    def standing(self, grant_id: UUID) -> Standing | None:
        """The grant and the four streams it stands on, read by one tail query (a cold grant: its snapshot and tail first).

        The grant is the caller's; the other four are shared with others and must not be changed.
        """
        ...

    def standings(self, grant_ids: Sequence[UUID]) -> list[Standing | None]:
        """The same for several grants, by one tail query for every 200."""
        ...

    def cached_standing(self, grant_id: UUID) -> Standing | None:
        """The same from the worker's cache alone, without a query; None if any of the five is missing there.

        The grant is the caller's; the other four are shared with others and must not be changed.
        """
        ...

    def standing_at_hand(self, grant_id: UUID) -> Standing | None:
        """The same, but a grant that is missing there is read."""
        ...

    def cached(self, kind: type[TStream], stream_id: UUID) -> TStream | None:
        """One stream from the worker's cache alone, without a query: it may be out of date, so an append has to judge what was decided on it."""
        ...

    def append(self, streams: Sequence[Stream], judged: Iterable[Stream] = (), *, also: Callable[[Tables], None] | None = None) -> Recorded:
        """Append the pending events of `streams` in one statement, only if nothing newer than `.version` stands on the judged ones.

        `Conflict` if a version is taken or something newer stands there; nothing is stored then. Pending events are collected only on success.
        With `also`, the ordinary tables are written in the same transaction, after the events.
        """
        ...

    def append_ending(self, streams: Sequence[Stream], judged: Iterable[Stream] = (), *, also: Callable[[Tables], None] | None = None) -> Recorded:
        """The same for whatever takes access away: answers only when every decision begun on an older snapshot has ended (the revocation barrier)."""
        ...

    def append_rotation(self, grant: Grant, standing: Standing, *, head: int) -> bool:
        """The hot path: append the one pending event of `grant`, a rotation or a code exchange; several at a time share a commit.

        Only if the grant's head is version `head`, only rotations were added since `standing.grant.version`, and nothing newer than the
        versions of `standing` stands on the other four. False: read the tail and decide again. After True, `grant` belongs to the store: it must
        not be changed any more.
        """
        ...

    def tables(self) -> Tables:
        """The ordinary tables outside any append, each call its own transaction."""
        ...

    def sealed(self, personal: Personal, event_id: str) -> Sealed:
        """Sealed under the subject's key of now, for the ordinary tables."""
        ...

    def opened(self, sealed: PersonalField, event_id: str) -> str | None:
        """A personal value of a stream, sealed for the event `originator_id:version`; None where there is none or its key is gone."""
        ...

    def position_of(self, recorded: Recorded, timeout: float) -> int | None:
        """Wake the sequencer and wait up to `timeout` seconds for the position of what was recorded (pages and API writes only)."""
        ...


@dataclass(frozen=True, slots=True)
class NewSigningKey:
    """A key pair as the table `signing_keys` takes it: the public JWK as JSON, the private key wrapped under the root keys."""

    alg: str
    public_jwk: str
    private_wrapped: bytes


class AccessTokens(Protocol):
    """RFC 9068 access tokens and the gateway's assertions, signed by the account's active keys (one for each use)."""

    def new_key(self, kid: str) -> NewSigningKey:
        """Make a key pair; it is in use once it stands in the table."""
        ...

    def issue(self, standing: Standing, access: Access, *, token_id: str, now: datetime, ttl: int) -> str: ...
    def read(self, text: str, now: datetime) -> dict[str, Any] | None:
        """The claims of a genuine, unexpired access token of ours (typ, alg, kid, signature, iss, exp checked); None for anything else."""
        ...

    def assertion(self, account_id: str, claims: dict[str, Any], now: datetime) -> str:
        """A JWT of type `grantbook-assertion+jwt` under the account's key for assertions."""
        ...

    def jwks(self, account_id: str) -> dict[str, Any]: ...
    def forget(self) -> None:
        """Read the table of keys again before the next use."""
        ...


class Passwords(Protocol):
    """argon2id; `verify` takes as long when there is nothing to compare with."""

    def hash(self, password: str) -> str: ...
    def verify(self, password: str, secret: str | None) -> bool: ...


class Codec(Protocol):
    """`domain.tokens.TokenCodec`."""

    key_id: str
    single_key: bool

    def make(self, kind: int, grant_id: UUID, generation: int, version: int, key_id: str | None = None) -> str: ...
    def read(self, text: str) -> Token | None: ...
