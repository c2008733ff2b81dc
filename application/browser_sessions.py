"""Browser sessions: opened by a sign-in of either kind, listed and ended by whom they belong to, ended by an admin."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from application.counting import count
from application.lookups import member_of
from application.ports import Recorded, Tables
from application.retrying import until_settled
from application.services import Origin, Services
from domain.base import Context, PersonalField, Stream
from domain.errors import NotFound
from domain.member import Member
from domain.sign_in import Method, SignIn

SESSION_LIFE = timedelta(days=7)
BY_MEMBER, BY_ADMIN = "ended_by_member", "ended_by_admin"
"""Why a sign-in ended, where it was from another browser."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A live browser session; the secret goes into the cookie and is stored as SHA-256 only."""

    member_id: UUID
    member: Member
    sign_in_id: UUID
    session_secret: str = field(repr=False)
    expires_at: datetime
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One of a person's browser sessions; `address` and `user_agent` as text, where they can still be read."""

    sign_in_id: UUID
    method: Method
    address: str | None
    user_agent: str | None
    created_at: datetime
    last_seen_at: datetime


def open_session(
    services: Services,
    account_id: str,
    origin: Origin,
    member: Member,
    *,
    method: Method,
    judged: Sequence[Stream] = (),
    authenticated_at: datetime | None = None,
    also: Callable[[Tables], None] | None = None,
) -> SignedIn:
    """Record the sign-in and open the session, if nothing newer stands on the member and what else it was judged on (else `Conflict`).

    Pending events of the member are appended with it. `authenticated_at`: when the person proved who they are, if that wasn't now.
    """
    context = services.context(account_id, origin, actor_id=str(member.id))
    stream = SignIn.blank(services.new_id(), context)
    stream.succeed(context, str(member.id), method)
    session_secret, expires_at = services.new_secret(), context.now + SESSION_LIFE
    id_hash = hashlib.sha256(session_secret.encode()).digest()

    def with_session(tables: Tables) -> None:
        if also is not None:
            also(tables)
        tables.add_browser_session(id_hash, account_id, str(member.id), stream.id, context.now, expires_at, authenticated_at)

    changed = [member, stream] if member.pending_events else [stream]
    recorded = services.store.append(changed, [*judged, *(() if member.pending_events else (member,))], also=with_session)
    count("sign_ins", method, "succeeded")
    return SignedIn(member.id, member, stream.id, session_secret, expires_at, recorded)


def sessions_of(
    services: Services, account_id: str, member_id: str, *, idle: timedelta, opened: Callable[[PersonalField, str], str | None]
) -> list[OpenSession]:
    """A person's live sessions, newest first; those not seen for `idle` are over."""
    now = services.clock()
    rows = services.store.tables().browser_sessions_of(account_id, member_id)
    rows = [row for row in rows if now < row["expires_at"] and now - row["last_seen_at"] < idle]
    streams = services.store.load_many([(SignIn, UUID(str(row["sign_in_id"]))) for row in rows])
    found = [_described(row, stream, opened) for row, stream in zip(rows, streams, strict=True) if stream is not None and stream.live]
    return sorted(found, key=lambda session: session.created_at, reverse=True)


def end_session(services: Services, account_id: str, member_id: str, sign_in_id: UUID, origin: Origin) -> Recorded:
    """End one of a person's own sessions, at once; `NotFound` if it is not theirs or over."""

    context = services.context(account_id, origin, actor_id=member_id)

    def attempt() -> Recorded:
        rows = services.store.tables().browser_sessions_of(account_id, member_id)
        stream = services.store.load(SignIn, sign_in_id) if any(UUID(str(row["sign_in_id"])) == sign_in_id for row in rows) else None
        if stream is None or not stream.live:
            raise NotFound("You have no such session; it may have ended.")
        return _end(services, member_id, [stream], context, BY_MEMBER)

    return until_settled(attempt)


def end_other_sessions(services: Services, account_id: str, member_id: str, keep: UUID, origin: Origin) -> tuple[Recorded | None, int]:
    """End all of a person's sessions but one; what was recorded last, and how many ended."""
    return _end_all(services, member_id, services.context(account_id, origin, actor_id=member_id), BY_MEMBER, keep)


def end_sessions_of(
    services: Services, account_id: str, member_id: str | UUID, *, origin: Origin, actor_id: str | None = None
) -> tuple[Recorded | None, int]:
    """End all browser sessions of a member, as an admin; what was recorded last, and how many ended. Their apps stay connected."""
    member = member_of(services, account_id, member_id)
    return _end_all(services, str(member.id), services.context(account_id, origin, actor_id=actor_id), BY_ADMIN)


def _end_all(services: Services, member_id: str, context: Context, why: str, keep: UUID | None = None) -> tuple[Recorded | None, int]:
    def attempt() -> tuple[Recorded | None, int]:
        rows = services.store.tables().browser_sessions_of(context.account_id, member_id)
        ids = [found for row in rows if (found := UUID(str(row["sign_in_id"]))) != keep]
        live = [stream for stream in services.store.load_many([(SignIn, sign_in_id) for sign_in_id in ids]) if stream is not None and stream.live]
        return (_end(services, member_id, live, context, why) if live else None), len(live)

    return until_settled(attempt)


def _end(services: Services, member_id: str, streams: Iterable[SignIn], context: Context, why: str) -> Recorded:
    ending = [stream.copy() for stream in streams]
    for stream in ending:
        stream.end(context, why)

    def with_sessions(tables: Tables) -> None:
        for stream in ending:
            tables.remove_browser_session_of(context.account_id, member_id, str(stream.id))

    return services.store.append(ending, also=with_sessions)


def _described(row: dict[str, object], stream: SignIn, opened: Callable[[PersonalField, str], str | None]) -> OpenSession:
    event_id = f"{stream.id}:1"  # a sign-in's first event is the only one that holds address and user agent of its beginning
    return OpenSession(
        sign_in_id=stream.id,
        method=stream.method,
        address=opened(stream.address, event_id),
        user_agent=opened(stream.user_agent, event_id),
        created_at=cast("datetime", row["created_at"]),
        last_seen_at=cast("datetime", row["last_seen_at"]),
    )
