"""A grant: one code, its exchange, and the rotation of refresh tokens; decides what a presented token may have."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from domain.base import Context, PersonalField, RecordedCreated, RecordedEvent, Stream, topic
from domain.extent import Projects, as_projects
from domain.grant_outcomes import (
    CodeReplayed,
    Exchanged,
    ExchangeOutcome,
    Invalid,
    Issue,
    Pinned,
    RefreshOutcome,
    Replayed,
    ReuseDetected,
    Rotated,
)
from domain.tokens import CODE, REFRESH, Token

if TYPE_CHECKING:
    from datetime import datetime

    from domain.policies import SessionPolicy

__all__ = [
    "FLAGGED_STREAK", "REVOKERS", "CodeReplayed", "ExchangeOutcome", "Exchanged", "Grant", "Invalid", "Issue", "Pinned", "RefreshOutcome", "Replayed",
    "ReuseDetected", "Rotated",
]  # fmt: skip

FLAGGED_STREAK = 5
REVOKERS = Literal["member", "admin", "client", "system"]


@topic("grant")
class Grant(Stream):
    """State of a grant stream. `ended` says why it is over (`revoked`, `reuse_detected`, `code_replayed`), None while it is live."""

    TOPIC: ClassVar[str]

    def __init__(
        self, *, client_id: str, for_client: str, member_id: str, consent_id: str, account_id: str, pinned: dict[str, int], scopes: tuple[str, ...],
        projects: Projects, resource: str, redirect_uri: str, redirect_uri_sent: bool, code_challenge: str, keep_alive: bool, refreshable: bool,
        lifetimes: dict[str, int], key_id: str,
    ) -> None:  # fmt: skip
        self.client_id, self.for_client = client_id, for_client
        self.member_id, self.consent_id, self.account_id = member_id, consent_id, account_id
        self.pinned = Pinned(**pinned)
        self.scopes, self.projects = tuple(scopes), as_projects(projects)
        self.resource, self.redirect_uri, self.redirect_uri_sent = resource, redirect_uri, redirect_uri_sent
        self.code_challenge, self.code_key_id = code_challenge, key_id
        self.keep_alive, self.refreshable, self.lifetimes = keep_alive, refreshable, lifetimes
        self.exchanged = False
        self.issued: Issue | None = None
        self.previous: Issue | None = None
        self.replay_noted = 0
        self.replay_streak = 0
        self.ended: str | None = None

    class Event(RecordedEvent):
        pass

    @topic("grant.code_issued")
    class CodeIssued(Event, RecordedCreated):
        """`pinned`: versions of consent, client, member, account; `lifetimes` in seconds, as the consent page showed them."""

        client_id: str
        for_client: str
        member_id: str
        consent_id: str
        pinned: dict[str, int]
        scopes: tuple[str, ...]
        projects: Projects
        resource: str
        redirect_uri: str
        redirect_uri_sent: bool
        code_challenge: str
        keep_alive: bool
        refreshable: bool
        lifetimes: dict[str, int]
        key_id: str

    class TokensIssued(Event):
        """Access token `access_token_id` (jti) with `scope` and lifetime, judged on these versions of consent, client, member, account."""

        TOPIC = "grant.tokens_issued"
        generation: int
        key_id: str
        access_token_id: str
        access_token_ttl: int
        scope: str
        judged: tuple[int, int, int, int]

    @topic("grant.code_exchanged")
    class CodeExchanged(TokensIssued):
        """Generation 1 has a refresh token only where the grant is refreshable; said again here, so that the event reads alone."""

        refreshable: bool

        def apply(self, aggregate: Grant) -> None:
            aggregate.exchanged = True
            aggregate.issued = Issue(self.generation, self.originator_version, self.key_id, self.timestamp)

    @topic("grant.tokens_refreshed")
    class TokensRefreshed(TokensIssued):
        """Changes nothing that outlives the next one: the fast path folds none of those in between."""

        def apply(self, aggregate: Grant) -> None:
            aggregate.previous = aggregate.issued
            aggregate.issued = Issue(self.generation, self.originator_version, self.key_id, self.timestamp)

    @topic("grant.refresh_replayed")
    class RefreshReplayed(Event):
        """The predecessor of `generation` came again in its grace; `streak` generations running did. One event per generation."""

        generation: int
        access_token_id: str
        streak: int

        def apply(self, aggregate: Grant) -> None:
            aggregate.replay_noted = self.generation
            aggregate.replay_streak = self.streak

    @topic("grant.reuse_detected")
    class ReuseDetectedEvent(Event):
        """A spent refresh token of `generation` was used while `current` was live; ends the grant."""

        generation: int
        current: int
        rotated_at: datetime

        def apply(self, aggregate: Grant) -> None:
            aggregate.ended = "reuse_detected"

    @topic("grant.code_replayed")
    class CodeReplayedEvent(Event):
        """Ends the grant."""

        def apply(self, aggregate: Grant) -> None:
            aggregate.ended = "code_replayed"

    @topic("grant.revoked")
    class Revoked(Event):
        by: REVOKERS
        reason: PersonalField

        def apply(self, aggregate: Grant) -> None:
            aggregate.ended = "revoked"

    @topic("grant.expired")
    class Expired(Event):
        """Recorded by a sweep for the views; never decides."""

        which: Literal["idle", "absolute", "code"]

    # ---- questions

    def idle_expiry(self, policy: SessionPolicy) -> datetime:
        """When the inactivity window closes (UTC). Lifetimes only ever shrink: the shorter of what was agreed and what the policy says now."""
        return self.used_on + self.idle_window(policy)

    def idle_window(self, policy: SessionPolicy) -> timedelta:
        return timedelta(seconds=self._lifetime("idle_window", policy))

    @property
    def used_on(self) -> datetime:
        """When tokens were last issued, or the code (UTC)."""
        return self.issued.at if self.issued else self.created_on

    def absolute_expiry(self, policy: SessionPolicy) -> datetime:
        """When the grant ends whatever happens (UTC)."""
        return self.created_on + timedelta(seconds=self._lifetime("absolute_lifetime", policy))

    def access_token_ttl(self, policy: SessionPolicy) -> int:
        """Seconds that an access token of this grant lives."""
        return self._lifetime("access_token_ttl", policy)

    def _lifetime(self, name: str, policy: SessionPolicy) -> int:
        now: int = getattr(policy, name)
        return min(self.lifetimes[name], now)

    def predicted(self, token: Token) -> Grant | None:
        """The head as a genuine token proves it (its event issued it): this older state moved on by rotations only, or None if it can't be so."""
        ahead = token.version - self.version
        if self.issued is None or self.ended or token.kind != REFRESH or ahead < 1 or token.generation - self.issued.generation != ahead:
            return None
        head = self.copy()
        head.version = token.version
        head.previous = None
        head.issued = Issue(token.generation, token.version, token.key_id, self.issued.at)
        return head

    def matches(self, token: Token) -> bool:
        """Whether the token is the live refresh token of this state."""
        live = self.issued
        return live is not None and (live.generation, live.version, live.key_id) == (token.generation, token.version, token.key_id)

    # ---- decisions

    def exchange(
        self, token: Token, *, client_id: str, code_verifier: str, redirect_uri: str | None, now: datetime, policy: SessionPolicy
    ) -> ExchangeOutcome:
        """Judge a code (OAuth 2.1 4.1.3). Records nothing but a replay's outcome; the caller records what is issued."""
        if token.kind != CODE or token.generation != 0 or token.version != 1 or token.key_id != self.code_key_id:
            return Invalid("The code is not valid.")
        if client_id != self.client_id:
            return Invalid("The code was issued to another client.")
        if redirect_uri is not None and self.redirect_uri_sent and redirect_uri != self.redirect_uri:
            return Invalid("redirect_uri is not the one of the authorization request.")
        challenge = urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
        if not hmac.compare_digest(challenge, self.code_challenge):
            return Invalid("code_verifier does not match the code_challenge.")
        if self.ended:
            return Invalid("The grant of this code has ended.")
        if self.exchanged:
            return CodeReplayed()
        if now - self.created_on > timedelta(seconds=min(policy.code_ttl, self.lifetimes.get("code_ttl", policy.code_ttl))):
            return Invalid("The code has expired.")
        return Exchanged()

    def refresh(self, token: Token, *, client_id: str, now: datetime, policy: SessionPolicy) -> RefreshOutcome:
        """Judge a refresh token (OAuth 2.1 4.3, RFC 9700 4.14.2): the live one, its predecessor within the grace, or a spent one."""
        live = self.issued
        if token.kind != REFRESH or live is None or not self.refreshable:
            return Invalid("The refresh token is not valid.")
        if client_id != self.client_id:
            return Invalid("The refresh token was issued to another client.")
        if self.ended:
            return Invalid("The session has ended.")
        if token.generation > live.generation:
            return Invalid("The refresh token is not valid.", alarm=True)
        if token.generation == live.generation:
            return Rotated() if self.matches(token) else Invalid("The refresh token is not valid.")
        return self._spent(token, live, now, policy)

    def _spent(self, token: Token, live: Issue, now: datetime, policy: SessionPolicy) -> RefreshOutcome:
        before = self.previous
        if before is not None and token.generation == before.generation:
            if (token.version, token.key_id) != (before.version, before.key_id):
                return Invalid("The refresh token is not valid.")
            if now - live.at <= timedelta(seconds=policy.refresh_grace):
                return Replayed(live, recorded=self.replay_noted != live.generation)
        return ReuseDetected()

    # ---- records (the caller has judged)

    def issue_tokens(
        self, context: Context, *, key_id: str, access_token_id: str, access_token_ttl: int, scope: str, judged: tuple[int, int, int, int]
    ) -> Issue:
        """Record a code exchange or a rotation; the new generation."""
        facts: dict[str, Any] = {
            "key_id": key_id,
            "access_token_id": access_token_id,
            "access_token_ttl": access_token_ttl,
            "scope": scope,
            "judged": judged,
        }
        if self.issued is None:
            self.record(self.CodeExchanged, context, generation=1, refreshable=self.refreshable, **facts)
        else:
            self.record(self.TokensRefreshed, context, generation=self.issued.generation + 1, **facts)
        assert self.issued is not None
        return self.issued

    def note_replay(self, context: Context, access_token_id: str) -> int:
        """Record that the predecessor came again in its grace; how many generations running did (5 and more are flagged)."""
        assert self.issued is not None
        generation = self.issued.generation
        streak = self.replay_streak + 1 if self.replay_noted == generation - 1 else 1
        self.record(self.RefreshReplayed, context, generation=generation, access_token_id=access_token_id, streak=streak)
        return streak

    def detect_reuse(self, token: Token, context: Context) -> None:
        assert self.issued is not None
        self.record(self.ReuseDetectedEvent, context, generation=token.generation, current=self.issued.generation, rotated_at=self.issued.at)

    def detect_code_replay(self, context: Context) -> None:
        self.record(self.CodeReplayedEvent, context)

    def revoke(self, by: REVOKERS, context: Context, reason: str | None = None) -> None:
        """End the grant; nothing is recorded if it has ended."""
        if not self.ended:
            self.record(self.Revoked, context, by=by, reason=context.words(reason, self.member_id))
