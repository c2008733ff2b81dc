from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from application import manage_members, sign_in, sign_in_limits
from application.services import Origin
from domain.sign_in import SignIn
from tests.support.oauth_world import CLI, World

PASSWORD = "correct horse battery"
BROWSER = Origin("ui", "203.0.113.7", "Firefox")
EMAIL = "ada@jaffle.example"


@pytest.fixture
def member_id(world: World) -> UUID:
    facts: dict[str, Any] = {"email": EMAIL, "name": "Ada", "role": "Analyst", "password": PASSWORD}
    return manage_members.add_member(world.services, world.account_id, origin=CLI, **facts).member_id


def attempt(
    world: World, email: str = EMAIL, password: str = PASSWORD, origin: Origin = BROWSER, known: Sequence[str] = ()
) -> sign_in.SignedIn | sign_in.SignInRefused:
    return sign_in.sign_in_with_password(world.services, world.account_id, email, password, origin, known_browsers=known)


def failures(world: World) -> list[Any]:
    rows = world.services.store.tables()._run(  # type: ignore[attr-defined]  # reads what was recorded
        "SELECT DISTINCT originator_id FROM events WHERE topic = 'sign_in.failed'"
    )
    return [event for (stream,) in rows for event in world.events(stream)]


def _spied(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The secrets that a password was compared with; none is ever right."""
    asked: list[str | None] = []

    def verify(_: str, secret: str | None) -> bool:
        asked.append(secret)
        return False

    monkeypatch.setattr(world.services.passwords, "verify", verify)
    return asked


def test_a_right_password_opens_a_session_whose_secret_is_stored_as_a_hash(world: World, member_id: UUID) -> None:
    done = attempt(world, "ADA@Jaffle.Example")
    assert isinstance(done, sign_in.SignedIn)
    assert done.member_id == member_id
    row = world.services.store.tables().browser_session(hashlib.sha256(done.session_secret.encode()).digest())
    assert row is not None
    assert row["member_id"] == str(member_id)
    assert row["expires_at"] - row["created_at"] == sign_in.SESSION_LIFE
    assert done.session_secret not in repr(done)
    assert world.topics(done.sign_in_id) == ["sign_in.succeeded"]


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(world: World, member_id: UUID) -> None:
    assert attempt(world, password="wrong but long enough") == attempt(world, "nobody@jaffle.example") == sign_in.SignInRefused()
    known, unknown = sorted(failures(world), key=lambda e: e.member_id is None)
    assert (known.member_id, known.login_key) == (str(member_id), None)
    assert unknown.member_id is None
    assert unknown.login_key is not None


def test_a_members_failures_name_them_and_hold_no_hash_even_beyond_the_limit(world: World, member_id: UUID) -> None:
    world.limit(sign_ins_per_login=1)
    attempt(world, password="wrong but long enough")
    attempt(world, password="wrong but long enough")
    assert sorted((e.reason, e.member_id, e.login_key) for e in failures(world)) == [
        ("limited", str(member_id), None), ("wrong", str(member_id), None),
    ]  # fmt: skip


def test_argon2_runs_whether_or_not_the_address_exists(world: World, member_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _spied(world, monkeypatch)
    attempt(world)
    attempt(world, "nobody@jaffle.example")
    assert [secret is None for secret in asked] == [False, True]


def test_what_was_typed_as_a_login_is_recorded_as_a_keyed_hash_only(world: World, member_id: UUID) -> None:
    attempt(world, "My Secret Pass@phrase", "x")
    (event,) = failures(world)
    assert len(event.login_key) == 64
    assert event.login_key != world.services.login_key(world.account_id, "my secret pass@phrase").hex()
    assert "secret" not in str({k: v for k, v in vars(event).items() if k != "address"}).lower()


def test_a_deactivated_member_is_refused_in_the_same_words(world: World, member_id: UUID) -> None:
    assert isinstance(attempt(world), sign_in.SignedIn)
    manage_members.deactivate(world.services, world.account_id, member_id, origin=CLI)
    assert attempt(world) == sign_in.SignInRefused()
    assert world.services.store.tables().browser_sessions_of(world.account_id, str(member_id)) == []


def test_too_many_tries_for_one_login_answer_with_the_time_to_wait_even_to_the_right_password(world: World, member_id: UUID) -> None:
    world.limit(sign_ins_per_login=3)
    for _ in range(3):
        assert attempt(world, password="wrong but long enough") == sign_in.SignInRefused()
    refused = attempt(world)
    assert isinstance(refused, sign_in.SignInRefused)
    assert refused.retry_after is not None
    assert 0 < refused.retry_after <= sign_in.WINDOW.total_seconds()
    assert isinstance(attempt(world, "other@jaffle.example"), sign_in.SignInRefused)
    world.later(seconds=refused.retry_after + 1)
    assert isinstance(attempt(world), sign_in.SignedIn)


def test_nobody_can_lock_a_person_out_from_another_network(world: World, member_id: UUID) -> None:
    world.limit(sign_ins_per_login=2)
    for _ in range(10):
        attempt(world, password="wrong but long enough", origin=Origin("ui", "198.51.100.66"))
    assert isinstance(attempt(world, origin=Origin("ui", "198.51.100.66")), sign_in.SignInRefused)
    assert isinstance(attempt(world), sign_in.SignedIn)


def test_many_networks_together_are_limited_but_not_a_browser_that_is_known(world: World, member_id: UUID) -> None:
    world.limit(sign_ins_per_login=1)
    for number in range(sign_in_limits.EVERYWHERE):
        attempt(world, password="wrong but long enough", origin=Origin("ui", f"198.51.100.{number}"))
    refused = attempt(world)
    assert isinstance(refused, sign_in.SignInRefused)
    assert refused.retry_after
    token = sign_in.known_browser(world.services, world.account_id, EMAIL.upper())
    assert isinstance(attempt(world, known=("nonsense", token)), sign_in.SignedIn)
    for _ in range(2):
        attempt(world, password="wrong but long enough", known=(token,))
    assert isinstance(attempt(world, known=(token,)), sign_in.SignInRefused)


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-1], lambda t: "x" + t, lambda t: t.replace(".", ""), lambda t: "." + t, lambda _: "é.é", lambda t: t * 9]
)
def test_a_token_that_is_not_genuine_or_another_persons_makes_no_browser_known(world: World, member_id: UUID, spoil: Callable[[str], str]) -> None:
    world.limit(sign_ins_per_login=1)
    attempt(world, password="wrong but long enough")
    theirs = sign_in.known_browser(world.services, world.account_id, "eve@jaffle.example")
    spoilt = spoil(sign_in.known_browser(world.services, world.account_id, EMAIL))
    assert isinstance(attempt(world, known=(theirs, spoilt)), sign_in.SignInRefused)


def test_what_one_counter_refused_burdens_no_other(world: World, member_id: UUID) -> None:
    world.limit(sign_ins_per_login=1, sign_ins_per_address=2)
    for _ in range(9):
        attempt(world, password="wrong but long enough")
    assert attempt(world, "other@jaffle.example") == sign_in.SignInRefused()


def test_an_unknown_login_is_limited_like_a_known_one(world: World) -> None:
    world.limit(sign_ins_per_login=2)
    answers = [attempt(world, "nobody@jaffle.example") for _ in range(3)]
    assert [isinstance(a, sign_in.SignInRefused) and a.retry_after is not None for a in answers] == [False, False, True]


def test_one_address_that_tries_many_logins_is_limited(world: World, member_id: UUID) -> None:
    world.limit(sign_ins_per_address=3)
    for number in range(3):
        attempt(world, f"nobody{number}@jaffle.example")
    limited = attempt(world)
    assert isinstance(limited, sign_in.SignInRefused)
    assert limited.retry_after
    assert isinstance(attempt(world, origin=Origin("ui", "203.0.113.8")), sign_in.SignedIn)


def test_an_ipv6_network_counts_as_one_address(world: World) -> None:
    world.limit(sign_ins_per_address=2)
    answers = [attempt(world, f"n{n}@jaffle.example", origin=Origin("ui", f"2001:db8:1:2::{n:x}")) for n in range(1, 4)]
    assert answers[-1] != sign_in.SignInRefused()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_try_more_often(world: World, member_id: UUID, address: str) -> None:
    world.limit(sign_ins_per_address=1, sign_ins_per_login=1, loopback_factor=5)
    for _ in range(4):
        assert attempt(world, password="wrong but long enough", origin=Origin("ui", address)) == sign_in.SignInRefused()


def test_right_passwords_do_not_count(world: World, member_id: UUID) -> None:
    world.limit(sign_ins_per_login=2, sign_ins_per_address=2)
    assert all(isinstance(attempt(world), sign_in.SignedIn) for _ in range(4))


def test_parallel_guesses_never_get_more_tries_than_the_limit(world: World, member_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    world.limit(sign_ins_per_login=5)
    tried = _spied(world, monkeypatch)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: attempt(world, password="wrong but long enough"), range(24)))
    assert len(tried) == 5


def test_a_flood_of_failures_is_recorded_one_by_one_only_up_to_a_rate(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "EACH_RECORDED", 4)
    world.limit(sign_ins_per_address=1000)
    for number in range(9):
        attempt(world, f"n{number}@jaffle.example")
    assert len(failures(world)) == 4


def test_signing_out_ends_the_session_once(world: World, member_id: UUID) -> None:
    done = attempt(world)
    assert isinstance(done, sign_in.SignedIn)
    id_hash = hashlib.sha256(done.session_secret.encode()).digest()
    assert sign_in.end(world.services, world.account_id, id_hash, BROWSER) is not None
    assert world.services.store.tables().browser_session(id_hash) is None
    assert sign_in.end(world.services, world.account_id, id_hash, BROWSER) is None
    assert world.topics(done.sign_in_id) == ["sign_in.succeeded", "sign_in.ended"]
    stream = world.services.store.load(SignIn, done.sign_in_id)
    assert stream is not None
    assert not stream.live


def test_an_absurdly_long_password_is_refused_like_a_wrong_one(world: World, member_id: UUID) -> None:
    assert attempt(world, password="x" * 1_000_000) == sign_in.SignInRefused()
