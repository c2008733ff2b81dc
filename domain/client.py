"""A registered OAuth client: its metadata, how it registered, and the app (fingerprint) it belongs to."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from domain.base import Context, PersonalField, RecordedAnyTime, Stream, topic
from domain.errors import Refused

Registration = Literal["manual", "dynamic", "metadata_document"]
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


@topic("client")
class Client(Stream):
    """State of a client stream. `ended` is the version of the last removal, which ended every grant for good."""

    TOPIC: ClassVar[str]

    def __init__(self) -> None:
        self.client_id = ""
        self.registration: Registration = "dynamic"
        self.metadata: dict[str, Any] = {}
        self.fingerprint = ""
        self.needs_approval = False
        self.removed = False
        self.ended = 0

    class Event(RecordedAnyTime):
        STREAM = "client"

    @topic("client.registered")
    class Registered(Event):
        """`metadata` holds the RFC 7591 members without contacts, which are personal and sealed; `reason` is an admin's, why the app is needed.

        A metadata document's client may register again after its removal.
        """

        client_id: str
        registration: Registration
        metadata: dict[str, Any]
        fingerprint: str
        needs_approval: bool
        contacts: PersonalField
        reason: PersonalField = None

        def apply(self, aggregate: Client) -> None:
            aggregate.client_id, aggregate.registration = self.client_id, self.registration
            aggregate.metadata, aggregate.fingerprint = self.metadata, self.fingerprint
            aggregate.needs_approval, aggregate.removed = self.needs_approval, False

    @topic("client.metadata_changed")
    class MetadataChanged(Event):
        metadata: dict[str, Any]
        fingerprint: str
        contacts: PersonalField

        def apply(self, aggregate: Client) -> None:
            aggregate.metadata, aggregate.fingerprint = self.metadata, self.fingerprint

    @topic("client.removed")
    class Removed(Event):
        """`by`: `admin`, `itself` (RFC 7592) or `unused`."""

        by: Literal["admin", "itself", "unused"]
        reason: PersonalField

        def apply(self, aggregate: Client) -> None:
            aggregate.removed = True
            aggregate.ended = self.originator_version

    @property
    def name(self) -> str:
        return str(self.metadata.get("client_name") or self.client_id)

    @property
    def redirect_uris(self) -> tuple[str, ...]:
        return tuple(self.metadata["redirect_uris"])

    @property
    def scopes(self) -> tuple[str, ...] | None:
        """The scopes it registered for; None where it named none and may ask for whatever the policy allows."""
        text = self.metadata.get("scope")
        return tuple(text.split()) if text else None

    @property
    def may_refresh(self) -> bool:
        """A registration that names no grant types gets both."""
        return "refresh_token" in self.metadata.get("grant_types", ("authorization_code", "refresh_token"))

    @property
    def exists(self) -> bool:
        """Whether it is registered now."""
        return self.version > 0 and not self.removed

    def register(
        self,
        context: Context,
        *,
        client_id: str,
        registration: Registration,
        metadata: dict[str, Any],
        needs_approval: bool,
        contacts: PersonalField = None,
        reason: str | None = None,
    ) -> None:
        """Facts must have been validated by the caller against RFC 7591 and the policy."""
        if self.exists:
            raise Refused("This client is registered already.")
        print_ = app_fingerprint(registration, client_id, metadata)
        facts = {
            "client_id": client_id,
            "registration": registration,
            "metadata": metadata,
            "fingerprint": print_,
            "needs_approval": needs_approval,
            "contacts": contacts,
            "reason": context.words(reason),
        }
        self.record(self.Registered, context, **facts)

    def change_metadata(self, metadata: dict[str, Any], context: Context, contacts: PersonalField = None) -> None:
        self._must_be_registered()
        if metadata != self.metadata:
            print_ = app_fingerprint(self.registration, self.client_id, metadata)
            self.record(self.MetadataChanged, context, metadata=metadata, fingerprint=print_, contacts=contacts)

    def remove(self, by: Literal["admin", "itself", "unused"], context: Context, reason: str | None = None) -> None:
        self._must_be_registered()
        self.record(self.Removed, context, by=by, reason=context.words(reason))

    def _must_be_registered(self) -> None:
        if self.removed:
            raise Refused("This client was removed; it has to register again.")


def app_fingerprint(registration: Registration, client_id: str, metadata: dict[str, Any]) -> str:
    """The app that a registration belongs to, as 32 hex digits: name, redirect URIs without loopback ports, software id.

    A metadata document's app is its URL; a manual client is an app by itself.
    """
    if registration == "dynamic":
        return _dynamic_fingerprint(metadata.get("client_name", ""), tuple(metadata["redirect_uris"]), metadata.get("software_id", ""))
    return _hashed([registration, client_id])


@lru_cache(maxsize=1024)
def _dynamic_fingerprint(name: str, redirect_uris: tuple[str, ...], software_id: str) -> str:
    """The same apps register time and again."""
    return _hashed(["dynamic", name, sorted(without_loopback_port(u) for u in redirect_uris), software_id])


def _hashed(identity: list[Any]) -> str:
    return hashlib.sha256(json.dumps(identity, ensure_ascii=False).encode()).hexdigest()[:32]


@lru_cache(maxsize=1024)
def without_loopback_port(uri: str) -> str:
    """The redirect URI, less its port if its host is this computer (RFC 8252 7.3)."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or parts.hostname not in LOOPBACK_HOSTS:
        return uri
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return parts._replace(netloc=host).geturl()
