"""Reads the streams that an admin's use case is about, each checked to belong to the account."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from application.ports import Recorded
from application.retrying import until_settled
from application.services import Services
from domain.account import Account
from domain.base import Stream
from domain.client import Client
from domain.errors import NotFound
from domain.ids import client_stream_from
from domain.member import Member

TStream = TypeVar("TStream", bound=Stream)


def stream_of(services: Services, kind: type[TStream], stream_id: UUID | None, account_id: str, *, missing: str) -> TStream:
    """A copy of the stream as it stands now; `NotFound` with the sentence `missing` if there is none in this account."""
    found = None if stream_id is None else services.store.load(kind, stream_id)
    if found is None or found.account_id != account_id:
        raise NotFound(missing)
    return found.copy()


def account_of(services: Services, account_id: str) -> Account:
    return stream_of(services, Account, UUID(account_id), account_id, missing="There is no such account.")


def member_of(services: Services, account_id: str, member_id: str | UUID) -> Member:
    return stream_of(services, Member, as_uuid(member_id), account_id, missing="There is no such member in this account.")


def client_of(services: Services, account_id: str, client_ref: str) -> Client:
    """A client by its client id or its stream id, removed or not."""
    stream_id = client_stream_from(client_ref, account_id) or as_uuid(client_ref)
    return stream_of(services, Client, stream_id, account_id, missing="There is no such app in this account.")


def as_uuid(text: str | UUID) -> UUID | None:
    """The id that a text spells, or None."""
    if isinstance(text, UUID):
        return text
    try:
        return UUID(text)
    except ValueError:
        return None


def change(
    services: Services,
    load: Callable[[], TStream],
    decide: Callable[[TStream], object],
    *,
    ending: bool = False,
) -> Recorded | None:
    """Load one stream, let `decide` record on it, append; None where nothing was to change.

    `ending` is for what takes access away: it answers once the revocation barrier has passed.
    """
    append = services.store.append_ending if ending else services.store.append

    def attempt() -> Recorded | None:
        stream = load()
        decide(stream)
        return append([stream]) if stream.pending_events else None

    return until_settled(attempt)
