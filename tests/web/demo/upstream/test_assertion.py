from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import ECKey

from tests.support import asynchronous
from tests.web.demo.upstream.harness import AUDIENCE, ISSUER, Signer, body_hash, new_key
from web.demo.upstream.assertion import AssertionRefused, SpentIds, Verifier
from web.demo.upstream.caller import Caller

KEY = new_key("key-1")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
BODY = b"{}"


class OneKey:
    async def find(self, kid: str) -> ECKey | None:
        return KEY if kid == "key-1" else None


def verifier(now: datetime, began: datetime = NOW - timedelta(hours=1)) -> Verifier:
    return Verifier(OneKey(), ISSUER, AUDIENCE, lambda: now, began, SpentIds())


def check(verify: Verifier, **claims: object) -> Callable[[], Caller]:
    assertion = Signer(KEY, claims=claims).sign(BODY)
    return lambda: verify.admit(asynchronous.run(verify.claims, assertion), BODY)


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(-6, "future"), (-5, None), (0, None), (59, None), (60, "expired"), (61, "expired")],
)
def test_an_assertion_holds_from_its_issue_to_its_expiry(seconds: int, reason: str | None) -> None:
    present = check(verifier(NOW + timedelta(seconds=seconds)), iat=AT, exp=AT + 60)
    if reason is None:
        present()
    else:
        with pytest.raises(AssertionRefused, match=reason):
            present()


@pytest.mark.parametrize("seconds", [61, 0, -1])
def test_a_lifetime_is_more_than_none_and_at_most_a_minute(seconds: int) -> None:
    with pytest.raises(AssertionRefused, match="lives longer"):
        check(verifier(NOW), iat=AT, exp=AT + seconds)()


def test_what_was_issued_before_the_process_began_is_refused() -> None:
    began = NOW.replace(microsecond=900_000)
    check(verifier(began, began), iat=AT, exp=AT + 60)()
    with pytest.raises(AssertionRefused, match="older than this process"):
        check(verifier(began, began), iat=AT - 1, exp=AT + 59)()


def test_ids_are_remembered_until_their_assertion_expires_and_then_forgotten() -> None:
    spent = SpentIds()
    assert spent.spend("a", exp=100, now=50)
    assert not spent.spend("a", exp=100, now=60)
    assert not spent.spend("a", exp=100, now=99)
    assert spent.spend("b", exp=170, now=115)
    assert spent.spend("a", exp=175, now=116), "by then its times refuse it"


def test_the_caller_is_what_the_claims_say() -> None:
    verify = verifier(NOW)
    claims = asynchronous.run(verify.claims, Signer(KEY, ("p1",), claims={"iat": AT, "exp": AT + 60}).sign(BODY, "jobs:run catalog:read"))
    caller = verify.admit(claims, BODY)
    assert (caller.member_id, caller.client_id, caller.grant_id) == ("member-1", "app_1", "grant-1")
    assert (caller.scopes, caller.projects) == (frozenset({"jobs:run", "catalog:read"}), frozenset({"p1"}))
    assert claims.body_sha256 == body_hash(BODY)
