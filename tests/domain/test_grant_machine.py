"""A model that knows only which token is live, against the grant and the permission function, in any order of events."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.grant import CodeReplayed, Exchanged, Invalid, Replayed, ReuseDetected, Rotated
from domain.tokens import Token
from tests.domain.given import SCOPES, World, a_world

SELDOM = st.sampled_from(range(12)).map(lambda n: n == 7)
GRACE, IDLE = timedelta(seconds=30), timedelta(days=7)
ABSOLUTE = timedelta(days=90)


class GrantMachine(RuleBasedStateMachine):
    """Model: the live token, its predecessor, when the last rotation was, and whether and why it is over."""

    tokens = Bundle("tokens")

    @initialize(rotations=st.integers(0, 3))
    def begin(self, rotations: int) -> None:
        self.world: World = a_world()
        self.live: Token | None = None
        self.before: Token | None = None
        self.rotated = self.begun = self.world.now
        self.over = False
        self.lost: set[str] = set()
        for _ in range(rotations):
            self.before, self.live = self.live, self.world.issue()

    def _judged(self) -> bool:
        """What the use case asks first: is there any access left?"""
        return self.world.why_ended() is None

    def _expired(self) -> bool:
        since = self.rotated if self.live else self.begun
        return self.world.now - since >= IDLE or self.world.now - self.begun >= ABSOLUTE

    @precondition(lambda self: self.live is None)
    @rule(target=tokens)
    def exchange(self) -> Token:
        outcome = self.world.exchange()
        fresh = self.world.now - self.begun <= timedelta(seconds=60)
        allowed = fresh and not self.over
        assert (outcome == Exchanged() and self._judged()) == allowed
        if not allowed:
            return self.world.code()
        self.live = self.world.issue()
        self.rotated = self.world.now
        return self.live

    @precondition(lambda self: self.live is not None)
    @rule(really=SELDOM)
    def replay_code(self, really: bool) -> None:
        if not really:
            return
        outcome = self.world.exchange()
        if self.world.grant.ended:
            assert isinstance(outcome, Invalid)
            return
        assert outcome == CodeReplayed()
        self.world.grant.detect_code_replay(self.world.context)
        self.over = True

    @precondition(lambda self: self.live is not None)
    @rule(target=tokens)
    def refresh_the_live_one(self) -> Token:
        assert self.live is not None
        return self.refresh(self.live)

    @precondition(lambda self: self.before is not None)
    @rule(target=tokens)
    def race(self) -> Token:
        assert self.before is not None
        return self.refresh(self.before)

    @rule(target=tokens, token=tokens)
    def refresh_any(self, token: Token) -> Token:
        return self.refresh(token)

    def refresh(self, token: Token) -> Token:
        ended = not self._judged()
        assert ended == (self.over or self._expired())
        outcome = self.world.refresh(token)
        if ended or token.kind != 2:
            if token.kind != 2 or self.world.grant.ended:
                assert isinstance(outcome, Invalid)
            return token
        if token == self.live:
            assert outcome == Rotated()
            self.before, self.live = self.live, self.world.issue()
            self.rotated = self.world.now
            return self.live
        if token == self.before and self.world.now - self.rotated <= GRACE:
            assert isinstance(outcome, Replayed)
            assert self.live is not None
            assert (outcome.successor.generation, outcome.successor.version) == (self.live.generation, self.live.version)
            if outcome.recorded:
                self.world.grant.note_replay(self.world.context, "jti")
            return self.live
        assert outcome == ReuseDetected()
        self.world.grant.detect_reuse(token, self.world.context)
        self.over = True
        return token

    @rule(seconds=st.sampled_from([1, 9, 20, 30, 31, 6 * 86400, 8 * 86400]))
    def wait(self, seconds: int) -> None:
        self.world.later(seconds=seconds)

    @rule(really=SELDOM)
    def revoke(self, really: bool) -> None:
        if not really:
            return
        self.world.grant.revoke("admin", self.world.context)
        self.over = True

    @rule(really=SELDOM)
    def block_and_unblock(self, really: bool) -> None:
        if not really:
            return
        self.world.account.block_app(self.world.client.fingerprint, "Tool", self.world.context)
        self.world.account.unblock_app(self.world.client.fingerprint, "Tool", self.world.context)
        self.over = True

    @rule(really=SELDOM)
    def deactivate_and_reactivate(self, really: bool) -> None:
        if not really:
            return
        self.world.member.deactivate(self.world.context)
        self.world.member.reactivate(self.world.context)
        self.over = True

    @rule(permission=st.sampled_from(["jobs.run", "metrics.query", "account.read"]), back=st.booleans())
    def lose_a_permission(self, permission: str, back: bool) -> None:
        self.world.member.forbid(permission, "*", self.world.context)
        self.lost.add(permission)
        if back:
            self.world.member.permit(permission, "*", self.world.context)

    @invariant()
    def the_scope_only_ever_shrinks(self) -> None:
        needed = {s: self.world.account.scopes[s].permission for s in SCOPES}
        assert self.world.scope().split() == [s for s in SCOPES if needed[s] not in self.lost]

    @invariant()
    def at_most_one_token_is_live(self) -> None:
        if self.live is not None:
            assert self.world.grant.matches(self.live)
            assert self.before is None or not self.world.grant.matches(self.before)


GrantMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestGrantMachine = GrantMachine.TestCase
