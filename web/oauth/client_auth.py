"""Who calls: public clients by their id (`none`), resources by their secret (`client_secret_basic`, `client_secret_post`)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_plus
from uuid import UUID

from application.services import Services
from domain.account import Account
from web.oauth.forms import Form, Headers

_MOST_KEPT = 1000
Credential = tuple[str, str, str, bytes]


class ClientNotAuthenticated(Exception):
    """`invalid_client`: nobody we know, or not proven. `by_header`: the answer names the scheme (RFC 6749 5.2)."""

    def __init__(self, message: str, *, by_header: bool = False) -> None:
        super().__init__(message)
        self.message, self.by_header = message, by_header


def public_client_id(form: Form, headers: Headers) -> str:
    """The id of a public client: from the form, or from a Basic header with an empty password, as some libraries send it."""
    authorization = headers.get("Authorization")
    if authorization:
        client_id, secret = _basic(authorization)
        if secret:
            raise ClientNotAuthenticated("Clients have no secret here; send only client_id.", by_header=True)
        if form.get("client_id", client_id) != client_id:
            raise ClientNotAuthenticated("Header and form name two clients.", by_header=True)
        return client_id
    if "client_secret" in form or "client_assertion" in form:
        raise ClientNotAuthenticated("Clients have no secret here; send only client_id.")
    if "client_id" not in form:
        raise ClientNotAuthenticated("client_id must be sent.")
    return form["client_id"]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A secret's hash as it was read, and the version of the account since which it was the resource's."""

    identifier: str
    digest: bytes
    since: int


class ResourceCredentials:
    """Checks the secrets of protected resources. What was read is kept for as long as the account says that it is the secret, a refusal never."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._lock = threading.Lock()

    def check(self, services: Services, account_id: str, form: Form, headers: Headers) -> Callable[[Account | None], str]:
        """Who calls, to be asked with the account as it is now: the answer is the resource's identifier, or `ClientNotAuthenticated`.

        What is wrong is refused at once where no newer account could tell otherwise.
        """
        credential_id, secret = _presented(form, headers)
        digest = hashlib.sha256(secret.encode()).digest()
        kept = self._kept.get((account_id, credential_id))
        if kept is None or not hmac.compare_digest(kept.digest, digest):
            identifier = self._read(services, account_id, credential_id, digest)
            return lambda _: identifier

        def judged(account: Account | None) -> str:
            if account is not None and _since(account, credential_id, kept.identifier) == kept.since:
                return kept.identifier
            return self._read(services, account_id, credential_id, digest)

        return judged

    def _read(self, services: Services, account_id: str, credential_id: str, digest: bytes) -> str:
        """The identifier, if the table holds this secret. The account is remembered before the secret is read: so it is never the younger one."""
        account = services.store.cached(Account, UUID(account_id))
        found = services.store.tables().credential(credential_id)
        if found is None or not _proves(found, account_id, digest):
            raise ClientNotAuthenticated("The resource's id or secret is wrong.", by_header=True)
        identifier = found[2]
        since = None if account is None else _since(account, credential_id, identifier)
        if since is not None:
            self._keep((account_id, credential_id), _Kept(identifier, digest, since))
        return identifier

    def _keep(self, key: tuple[str, str], kept: _Kept) -> None:
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = kept


def _since(account: Account, credential_id: str, identifier: str) -> int | None:
    """From which version on the resource has the secret that it has; None if it is gone."""
    resource = account.resources.get(identifier)
    return resource.secret_since if resource is not None and resource.resource_id == credential_id else None


def _presented(form: Form, headers: Headers) -> tuple[str, str]:
    """The id and the secret that the caller sent, in the header or in the form."""
    authorization = headers.get("Authorization")
    if authorization:
        if "client_secret" in form:
            raise ClientNotAuthenticated("One way of authentication at a time.", by_header=True)
        credential_id, secret = _basic(authorization)
    else:
        credential_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    if not credential_id or not secret:
        raise ClientNotAuthenticated("A protected resource's id and secret are needed.", by_header=True)
    return credential_id, secret


def _proves(credential: Credential, account_id: str, digest: bytes) -> bool:
    owner_account, kind, _, secret_hash = credential
    return owner_account == account_id and kind == "resource" and hmac.compare_digest(secret_hash, digest)


def _basic(authorization: str) -> tuple[str, str]:
    """Id and secret of a Basic header, each form-encoded (RFC 6749 2.3.1)."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise ClientNotAuthenticated("Only the Basic scheme is taken here.", by_header=True)
    try:
        client_id, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise ClientNotAuthenticated("The Authorization header can't be read.", by_header=True) from None
    client_id, secret = unquote_plus(client_id), unquote_plus(secret)
    if not colon or not client_id.isprintable() or not secret.isprintable():
        raise ClientNotAuthenticated("The Authorization header can't be read.", by_header=True)
    return client_id, secret
