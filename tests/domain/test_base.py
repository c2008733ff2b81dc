"""What is recorded is what the library would have made and folded."""

from __future__ import annotations

from typing import Any

import pytest

from domain.grant import Grant
from tests.domain.given import World, a_session, a_world

ISSUED: dict[str, Any] = {"key_id": "ab", "access_token_id": "jti", "access_token_ttl": 600, "scope": "account:read", "judged": (1, 2, 3, 4)}


@pytest.mark.parametrize(
    ("world", "event_class", "facts"),
    [
        (a_session(), Grant.TokensRefreshed, {"generation": 2, **ISSUED}),
        (a_world(), Grant.CodeExchanged, {"generation": 1, "refreshable": True, **ISSUED}),
        (a_session(), Grant.Revoked, {"by": "member", "reason": None}),
    ],
    ids=["refreshed", "exchanged", "revoked"],
)
def test_an_event_is_recorded_and_folded_as_the_library_does_it(world: World, event_class: type[Any], facts: dict[str, Any]) -> None:
    world.later(minutes=1)
    before = world.grant.copy()
    ours, theirs = world.grant.copy(), world.grant.copy()
    ours.record(event_class, world.context, **facts)
    theirs.trigger_event(event_class, **world.context.stamp(), **facts)
    assert vars(ours.pending_events[0]) == vars(theirs.pending_events[0])
    assert ours == theirs
    ours.collect_events()
    assert theirs.pending_events[0].mutate(before) == ours
