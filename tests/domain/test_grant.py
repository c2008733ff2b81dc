"""A grant decides: codes once, refresh tokens by rotation with a grace, everything spent ends it."""

from __future__ import annotations

from typing import Any

import pytest

from domain.grant import CodeReplayed, Exchanged, Grant, Invalid, Replayed, ReuseDetected, Rotated
from domain.tokens import CODE, REFRESH
from tests.domain.given import World, a_session, a_world, with_policy


def test_a_fresh_code_with_its_verifier_is_good() -> None:
    assert a_world().exchange() == Exchanged()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"client_id": "app_other"}, "another client"),
        ({"redirect_uri": "https://evil.example/cb"}, "redirect_uri"),
        ({"code_verifier": "x" * 43}, "code_verifier"),
    ],
)
def test_a_code_in_the_wrong_hands_is_refused_and_not_spent(change: dict[str, Any], words: str) -> None:
    world = a_world()
    outcome = world.exchange(**change)
    assert isinstance(outcome, Invalid)
    assert words in outcome.reason
    assert world.exchange() == Exchanged()


def test_redirect_uri_may_be_left_out_at_the_token_endpoint() -> None:
    assert a_world().exchange(redirect_uri=None) == Exchanged()


def test_a_code_lives_sixty_seconds() -> None:
    world = a_world()
    world.later(seconds=60)
    assert world.exchange() == Exchanged()
    world.later(seconds=1)
    assert isinstance(world.exchange(), Invalid)


def test_an_exchanged_code_that_comes_again_is_a_replay_even_when_it_is_old() -> None:
    world = a_session()
    world.later(minutes=10)
    assert world.exchange() == CodeReplayed()
    world.grant.detect_code_replay(world.context)
    assert world.why_ended() == "code_replayed"
    assert isinstance(world.refresh(world.live_token()), Invalid)


def test_a_replay_without_the_verifier_revokes_nothing() -> None:
    assert isinstance(a_session().exchange(code_verifier="y" * 43), Invalid)


def test_a_code_is_no_refresh_token_and_a_refresh_token_no_code() -> None:
    world = a_session()
    assert isinstance(world.refresh(world.live_token()._replace(kind=CODE)), Invalid)
    assert isinstance(world.exchange(world.code()._replace(kind=REFRESH)), Invalid)


def test_the_live_token_rotates() -> None:
    world = a_session()
    first = world.live_token()
    assert world.refresh(first) == Rotated()
    second = world.issue()
    assert (second.generation, second.version) == (2, 3)
    assert world.refresh(second) == Rotated()


def test_the_predecessor_gets_the_same_successor_within_its_grace_and_is_reuse_after_it() -> None:
    world = a_session()
    spent = world.live_token()
    world.later(minutes=5)
    world.issue()
    world.later(seconds=30)
    outcome = world.refresh(spent)
    assert outcome == Replayed(world.grant.issued, recorded=True)  # type: ignore[arg-type]
    world.later(seconds=1)
    assert world.refresh(spent) == ReuseDetected()


def test_a_replay_is_recorded_once_for_a_generation_and_five_running_are_told() -> None:
    world = a_session()
    streaks = []
    for _ in range(6):
        spent = world.live_token()
        world.issue()
        assert world.refresh(spent).recorded
        streaks.append(world.grant.note_replay(world.context, "jti"))
        assert not world.refresh(spent).recorded
    assert streaks == [1, 2, 3, 4, 5, 6]
    world.issue()
    spent = world.live_token()
    world.issue()
    assert world.grant.note_replay(world.context, "jti") == 1


def test_a_replay_does_not_extend_the_inactivity_window() -> None:
    world = a_session()
    spent = world.live_token()
    world.issue()
    before = world.grant.idle_expiry(world.policy)
    world.later(seconds=20)
    world.refresh(spent)
    world.grant.note_replay(world.context, "jti")
    assert world.grant.idle_expiry(world.policy) == before


def test_an_older_generation_is_reuse_and_ends_the_grant() -> None:
    world = a_session()
    oldest = world.live_token()
    world.issue()
    world.issue()
    assert world.refresh(oldest) == ReuseDetected()
    world.grant.detect_reuse(oldest, world.context)
    assert world.why_ended() == "reuse_detected"


def test_no_grace_means_that_every_second_use_is_reuse() -> None:
    world = a_session()
    with_policy(world, refresh_grace="0s")
    spent = world.live_token()
    world.issue()
    world.later(seconds=1)
    assert world.refresh(spent) == ReuseDetected()


def test_a_token_of_a_generation_that_was_never_recorded_raises_the_alarm() -> None:
    world = a_session()
    token = world.live_token()
    outcome = world.refresh(token._replace(generation=token.generation + 1, version=token.version + 1))
    assert isinstance(outcome, Invalid)
    assert outcome.alarm


@pytest.mark.parametrize("change", [{"key_id": "deadbeef"}, {"version": 9}])
def test_a_token_that_names_another_key_or_event_for_its_generation_is_refused(change: dict[str, object]) -> None:
    world = a_session()
    spent = world.live_token()
    assert isinstance(world.refresh(spent._replace(**change)), Invalid)  # type: ignore[arg-type]
    world.issue()
    assert isinstance(world.refresh(spent._replace(**change)), Invalid)  # type: ignore[arg-type]


def test_another_client_gets_nothing() -> None:
    world = a_session()
    assert isinstance(world.refresh(world.live_token(), client_id="app_other"), Invalid)


def test_revoking_twice_records_once() -> None:
    world = a_session()
    world.grant.revoke("member", world.context)
    version = world.grant.version
    world.grant.revoke("admin", world.context)
    assert world.grant.version == version
    assert world.why_ended() == "revoked"


def test_the_head_is_predicted_from_a_token_only_across_rotations() -> None:
    world = a_session()
    older = world.grant.copy()
    world.issue()
    world.issue()
    head = older.predicted(world.live_token())
    assert head is not None
    assert head.version == world.grant.version
    assert head.matches(world.live_token())
    assert world.grant.predicted(world.live_token()) is None


def test_a_head_behind_another_kind_of_event_is_not_predicted() -> None:
    world = a_session()
    older = world.grant.copy()
    world.issue()
    world.grant.note_replay(world.context, "jti")
    world.issue()
    assert older.predicted(world.live_token()) is None


def _states(grant: Grant) -> dict[str, object]:
    return {k: v for k, v in grant.__dict__.items() if k != "_pending_events"}


def test_a_predicted_rotation_leads_to_the_state_that_the_events_fold_to() -> None:
    """What the fast path keeps in its cache equals a fold of every event, save when the live token was issued by a rotation it never read."""
    world = a_session()
    older = world.grant.copy()
    world.issue()
    token = world.live_token()
    predicted = older.predicted(token)
    assert predicted is not None
    facts = {"key_id": token.key_id, "access_token_id": "j", "access_token_ttl": 600, "scope": "s", "judged": (1, 1, 1, 1)}
    predicted.issue_tokens(world.context, **facts)  # type: ignore[arg-type]
    world.grant.issue_tokens(world.context, **facts)  # type: ignore[arg-type]
    assert _states(predicted) == _states(world.grant)


def test_the_fast_path_previous_token_is_still_recognised_in_its_grace() -> None:
    world: World = a_session()
    older = world.grant.copy()
    world.issue()
    spent = world.live_token()
    predicted = older.predicted(spent)
    assert predicted is not None
    world.grant = predicted
    world.issue()
    assert isinstance(world.refresh(spent), Replayed)
