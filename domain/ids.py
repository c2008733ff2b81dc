"""Identifiers: which are derived, which are random, and how a client id carries its stream's id."""

from __future__ import annotations

import re
from functools import lru_cache
from uuid import UUID, uuid5

NAMESPACE = UUID("7d5e1c1a-5a0f-4f0e-9b43-0c6f1c4f2a10")
CLIENT_PREFIX = "app_"
_CLIENT_ID = re.compile(r"app_([0-9a-f]{32})\Z")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


def as_text(stream: UUID) -> str:
    """The text of a UUID; the same few thousand are told again and again."""
    return _text_of(stream.int)


@lru_cache(maxsize=65_536)
def _text_of(number: int) -> str:
    """By the number: a UUID hashes and compares in Python."""
    return str(UUID(int=number))


uuid_of = lru_cache(maxsize=65_536)(UUID)
"""The UUID of its text; likewise, as ids stand in events as text."""


@lru_cache(maxsize=65_536)
def from_bytes(raw: bytes) -> UUID:
    """The UUID of 16 bytes; likewise."""
    return UUID(bytes=raw)


def account_stream(slug: str) -> UUID:
    """The account's stream id, from its slug."""
    return uuid5(NAMESPACE, f"account:{slug}")


def consent_stream(account_id: str, member_id: str, client_stream: str) -> UUID:
    """The one consent stream of a member for a client."""
    return uuid5(UUID(account_id), f"consent:{member_id}:{client_stream}")


def metadata_client_stream(account_id: str, url: str) -> UUID:
    """The stream of a client that is named by its metadata document's URL."""
    return uuid5(UUID(account_id), f"client:{url}")


def ledger_stream(account_id: str) -> UUID:
    """The one stream about an account's record itself."""
    return uuid5(UUID(account_id), "ledger")


def client_id_for(stream: UUID) -> str:
    """The client id of a registered client: unreserved characters only (PROTOCOL.md 35)."""
    return CLIENT_PREFIX + stream.hex


def client_stream_from(client_id: str, account_id: str) -> UUID | None:
    """The stream that a client id names, or None where it can't be one of ours. An https URL names a metadata document."""
    match = _CLIENT_ID.match(client_id)
    if match:
        return UUID(match.group(1))
    if client_id.startswith("https://"):
        return metadata_client_stream(account_id, client_id)
    return None


def records_stream(account_id: str) -> UUID:
    """The one stream about what rules an account's record: holds and retention."""
    return uuid5(UUID(account_id), "records")


def is_slug(text: str) -> bool:
    """Whether the text can name an account in a host name."""
    return _SLUG.match(text) is not None
