"""What sign-in through a provider and provisioning by a directory need from the outside: tables, the provider, sealing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from domain.base import Personal, PersonalField, Sealed
from domain.errors import DomainError


class ProviderFailed(DomainError):
    """The provider can't be reached, or answered what it must not. `code` is a short reason for the audit log."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class SsoRequest:
    """A sign-in under way: where it goes on, and the browser that it belongs to."""

    account_id: str
    browser_hash: bytes
    next: str
    afresh: bool
    created_at: datetime
    spent: bool = False
    expired: bool = False


@dataclass(frozen=True, slots=True)
class DirectoryUser:
    """What a directory said about a member; `profile` is a sealed blob as JSON."""

    member_id: str
    profile: dict[str, Any]
    created_at: datetime
    changed_at: datetime
    deleted: bool


@dataclass(frozen=True, slots=True)
class SignsInWith:
    """How a member can sign in, and whether a directory looks after them."""

    password: bool = False
    sso: bool = False
    directory: bool = False


NO_LOGIN = SignsInWith()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says has signed in. `groups` is None where the provider sent no such claim."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    name: str | None
    groups: tuple[str, ...] | None
    authenticated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Request:
    """What we ask of the provider: this client, back to that URL, bound to state and nonce, with the PKCE verifier of RFC 7636."""

    issuer: str
    client_id: str
    redirect_uri: str
    state: str
    nonce: str
    verifier: str


class OpenIdProvider(Protocol):
    """An OpenID Connect relying party (Core 1.0, Discovery 1.0, RFC 9207). Every failure is `ProviderFailed`."""

    def authorization_url(self, request: Request, *, scopes: Sequence[str], afresh: bool) -> str: ...
    def identity(self, request: Request, *, secret: str | None, code: str, iss: str | None, groups_claim: str, now: datetime) -> Identity: ...
    def check_issuer(self, request: Request, iss: str | None) -> None:
        """RFC 9207 for an error answer, which carries no token."""
        ...

    def examine(self, issuer: str) -> list[str]:
        """What was found out about the provider just now, in sentences."""
        ...


class SecretBox(Protocol):
    """Seals secrets that must be read again, under a key derived from the root keys; `purpose` can't be swapped."""

    def seal(self, text: str, purpose: str) -> bytes: ...
    def open(self, sealed: bytes, purpose: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class IdentityTools:
    """One per process, made by the composition root. `fetch_proof` reads a domain's well-known file, or says why not by `ProviderFailed`."""

    provider: OpenIdProvider
    box: SecretBox
    fetch_proof: Callable[[str], str]
    seal: Callable[[Personal, str, datetime], Sealed]
    open: Callable[[PersonalField, str], str | None]


class IdentityTables(Protocol):
    """Ordinary tables beside those of `application.ports.Tables`, which has them too."""

    def set_provider_secret(self, account_id: str, provider_id: str, sealed: bytes | None) -> None: ...
    def provider_secret(self, account_id: str, provider_id: str) -> bytes | None: ...
    def add_sso_request(self, state_hash: bytes, request: SsoRequest, expires_at: datetime) -> None: ...
    def use_sso_request(self, state_hash: bytes, account_id: str, now: datetime) -> SsoRequest | None: ...
    def password_set(self, account_id: str, member_id: str) -> bool: ...
    def sso_linked(self, account_id: str, member_id: str, issuer: str) -> bool: ...
    def signing_in(self, account_id: str, member_ids: Sequence[str]) -> dict[str, SignsInWith]: ...
    def remove_sso_logins(self, account_id: str, member_id: str) -> None: ...
    def move_login(self, account_id: str, member_id: str, key: bytes) -> None: ...  # AlreadyExists
    def remove_browser_session_of(self, account_id: str, member_id: str, sign_in_id: str) -> None: ...
    def remove_browser_sessions_but_of(self, account_id: str, member_ids: Sequence[str]) -> None: ...
    def put_directory_user(
        self, account_id: str, member_id: str, *, user_name_key: bytes, external_id_key: bytes | None, profile: dict[str, Any], now: datetime
    ) -> None: ...  # AlreadyExists
    def touch_directory_user(self, account_id: str, member_id: str, now: datetime) -> None: ...
    def delete_directory_user(self, account_id: str, member_id: str, user_name_key: bytes, now: datetime) -> None: ...
    def directory_user(self, account_id: str, member_id: str) -> DirectoryUser | None: ...
    def directory_user_named(self, account_id: str, user_name_key: bytes) -> DirectoryUser | None: ...
    def directory_users_with(self, account_id: str, external_id_key: bytes) -> list[DirectoryUser]: ...
    def count_directory(self, account_id: str) -> int: ...
    def directory_page(self, account_id: str, offset: int, limit: int) -> list[tuple[str, DirectoryUser | None]]: ...
