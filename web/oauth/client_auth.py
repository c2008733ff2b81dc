"""Who calls: public clients by their id (`none`), resources by their secret (`client_secret_basic`, `client_secret_post`)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
import time
from urllib.parse import unquote_plus

from application.services import Services
from web.oauth.forms import Form, Headers

KEPT_SECONDS = 5.0
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


class ResourceCredentials:
    """Checks the secrets of protected resources; what was read is kept for five seconds, a refusal never."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Credential]] = {}
        self._lock = threading.Lock()

    def identifier(self, services: Services, account_id: str, form: Form, headers: Headers) -> str:
        """The identifier of the resource that calls; `ClientNotAuthenticated` otherwise."""
        authorization = headers.get("Authorization")
        if authorization:
            if "client_secret" in form:
                raise ClientNotAuthenticated("One way of authentication at a time.", by_header=True)
            credential_id, secret = _basic(authorization)
        else:
            credential_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        if not credential_id or not secret:
            raise ClientNotAuthenticated("A protected resource's id and secret are needed.", by_header=True)
        digest = hashlib.sha256(secret.encode()).digest()
        kept = self._kept.get(credential_id)
        if kept is not None and time.monotonic() - kept[0] < KEPT_SECONDS and _proves(kept[1], account_id, digest):
            return kept[1][2]
        found = services.store.tables().credential(credential_id)
        if found is None or not _proves(found, account_id, digest):
            raise ClientNotAuthenticated("The resource's id or secret is wrong.", by_header=True)
        self._keep(credential_id, found)
        return found[2]

    def _keep(self, credential_id: str, found: Credential) -> None:
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[credential_id] = (time.monotonic(), found)


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
