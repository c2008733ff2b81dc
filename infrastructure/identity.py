"""Makes what sign-in by SSO and provisioning need, for one process."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from application.identity_ports import IdentityTools, ProviderFailed
from application.sso_settings import PROOF_PATH
from domain.base import PersonalField, Sealed
from infrastructure.oidc import OidcProvider
from infrastructure.outbound import Outbound, OutboundFailed
from infrastructure.secret_box import KeySealedBox
from infrastructure.settings_source import is_loopback
from infrastructure.store.keyring import Keyring

_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+\Z")
_LARGEST_PROOF = 4096


def identity_tools(base_url: str, secret_keys: tuple[bytes, ...], keyring: Keyring) -> IdentityTools:
    """A provider on this computer may be asked only where this server itself is reached here."""
    host = urlsplit(base_url).hostname or ""

    def opened(value: PersonalField, event_id: str) -> str | None:
        return keyring.open(value, event_id) if isinstance(value, Sealed) else None

    outbound = Outbound(loopback=is_loopback(host))
    return IdentityTools(OidcProvider(outbound), KeySealedBox(secret_keys), DomainProofs(), keyring.seal, opened)


class DomainProofs:
    """Reads the file by which the owner of a domain says that it belongs to an account."""

    def __init__(self, outbound: Outbound | None = None) -> None:
        self._outbound = outbound or Outbound(largest=_LARGEST_PROOF)

    def __call__(self, domain: str) -> str:
        if not _DOMAIN.match(domain):
            raise ProviderFailed("proof_failed", "That is no domain name.")
        try:
            answer = self._outbound.get(f"https://{domain}{PROOF_PATH}")
        except OutboundFailed as error:
            raise ProviderFailed("proof_failed", str(error)) from None
        if answer.status != 200:
            raise ProviderFailed("proof_failed", f"{domain} answered {answer.status} for {PROOF_PATH}.")
        return answer.body.decode("utf-8", "replace")
