from __future__ import annotations

import pytest

from domain import policies
from domain.errors import InvalidInput


@pytest.mark.parametrize("text", ["https://claude.ai/cb", "claude.ai/cb", "*.claude.ai", "claude ai:443:", "a" * 300, "-x.example", "exämple.com"])
def test_an_allow_list_of_hosts_takes_nothing_that_no_redirect_uri_can_match(text: str) -> None:
    with pytest.raises(InvalidInput) as told:
        policies.changed(policies.RegistrationPolicy(), {"allowed_redirect_hosts": text})
    assert told.value.field == "allowed_redirect_hosts"


def test_hosts_are_kept_in_lower_case_and_once() -> None:
    policy = policies.changed(policies.RegistrationPolicy(), {"allowed_redirect_hosts": "Claude.AI, claude.ai\ncursor: localhost ::1 127.0.0.1"})
    assert policy.allowed_redirect_hosts == ("claude.ai", "cursor:", "localhost", "::1", "127.0.0.1")


@pytest.mark.parametrize(("name", "text"), [("registrations_per_hour", "9" * 30), ("reap_unused_after_days", "36501"), ("registrations_total", "-1")])
def test_numbers_that_no_counter_or_calendar_holds_are_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidInput, match="whole number up to"):
        policies.changed(policies.RegistrationPolicy(), {name: text})
