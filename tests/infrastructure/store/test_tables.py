from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from application.ports import Tables
from domain.errors import AlreadyExists
from infrastructure.store.store import PostgresStore
from tests.infrastructure.store import given
from tests.support.postgres import Database

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ACCOUNT, MEMBER, CLIENT = str(uuid4()), str(uuid4()), str(uuid4())


@pytest.fixture
def store(database: Database) -> Iterator[PostgresStore]:
    with given.store_on(database) as made:
        yield made


@pytest.fixture
def tables(store: PostgresStore) -> Tables:
    return store.tables()


def test_accounts(tables: Tables) -> None:
    tables.add_account(ACCOUNT, "acme", "Acme")
    with pytest.raises(AlreadyExists):
        tables.add_account(str(uuid4()), "acme", "Other")
    assert tables.accounts() == [(ACCOUNT, "acme", "Acme")]


def test_logins(tables: Tables) -> None:
    assert tables.login(ACCOUNT, "password", "", b"k") is None
    tables.add_login(ACCOUNT, "password", "", b"k", MEMBER, None)
    tables.add_login(ACCOUNT, "sso", "https://idp", b"k", MEMBER, None)
    with pytest.raises(AlreadyExists):
        tables.add_login(ACCOUNT, "password", "", b"k", str(uuid4()), "x")
    tables.set_login_secret(ACCOUNT, MEMBER, "argon")
    assert tables.login(ACCOUNT, "password", "", b"k") == (MEMBER, "argon")
    assert tables.login(ACCOUNT, "sso", "https://idp", b"k") == (MEMBER, None)
    tables.remove_logins(ACCOUNT, MEMBER)
    assert tables.login(ACCOUNT, "password", "", b"k") is None


def test_credentials(tables: Tables) -> None:
    tables.add_credential("res_1", ACCOUNT, "resource", "https://api", b"one")
    with pytest.raises(AlreadyExists):
        tables.add_credential("res_1", ACCOUNT, "resource", "https://api", b"one")
    tables.replace_credential("res_1", b"two")
    assert tables.credential("res_1") == (ACCOUNT, "resource", "https://api", b"two")
    tables.remove_credentials(ACCOUNT, "resource", "https://api")
    assert tables.credential("res_1") is None


def test_an_authorization_request_is_used_once_and_not_after_it_expired(tables: Tables) -> None:
    parameters = {"scope": ["a b"], "state": ["é"]}
    tables.add_authorization_request("r1", ACCOUNT, CLIENT, parameters, NOW + timedelta(minutes=10))
    found = tables.authorization_request("r1", NOW)
    assert found is not None
    assert (found["account_id"], found["client_stream"], found["parameters"]) == (ACCOUNT, CLIENT, parameters)
    assert tables.authorization_request("r1", NOW + timedelta(minutes=10)) is None
    assert not tables.use_authorization_request("r1", NOW + timedelta(minutes=10))
    assert tables.use_authorization_request("r1", NOW)
    assert not tables.use_authorization_request("r1", NOW)
    assert tables.authorization_request("r1", NOW) is None


def test_browser_sessions(tables: Tables) -> None:
    sign_in = uuid4()
    tables.add_browser_session(b"h", ACCOUNT, MEMBER, sign_in, NOW, NOW + timedelta(hours=8))
    tables.touch_browser_session(b"h", NOW + timedelta(minutes=5))
    tables.touch_browser_session(b"h", NOW)
    assert tables.browser_session(b"h") == {
        "account_id": ACCOUNT, "member_id": MEMBER, "sign_in_id": sign_in, "created_at": NOW, "last_seen_at": NOW + timedelta(minutes=5),
        "expires_at": NOW + timedelta(hours=8), "authenticated_at": NOW,
    }  # fmt: skip
    tables.add_browser_session(b"i", ACCOUNT, MEMBER, sign_in, NOW, NOW + timedelta(hours=8))
    assert len(tables.browser_sessions_of(ACCOUNT, MEMBER)) == 2
    tables.remove_browser_session(b"i")
    assert tables.browser_session(b"i") is None
    tables.remove_browser_sessions_of(ACCOUNT, MEMBER)
    assert tables.browser_session(b"h") is None


def test_only_the_newest_set_up_link_counts_and_it_counts_once(tables: Tables) -> None:
    later = NOW + timedelta(hours=1)
    tables.add_setup_link(b"one", NOW, later)
    tables.add_setup_link(b"two", NOW + timedelta(seconds=1), later)
    assert not tables.setup_link_valid(b"one", NOW + timedelta(seconds=2))
    assert tables.setup_link_valid(b"two", NOW + timedelta(seconds=2))
    assert not tables.setup_link_valid(b"two", later)
    assert tables.use_setup_link(b"two", NOW + timedelta(seconds=2))
    assert not tables.use_setup_link(b"two", NOW + timedelta(seconds=2))


def test_consent_texts_are_kept_once(tables: Tables) -> None:
    tables.add_consent_text(b"x" * 32, "en", "words")
    tables.add_consent_text(b"x" * 32, "en", "words")
    assert tables.consent_text(b"x" * 32) == "words"
    assert tables.consent_text(b"y" * 32) is None


def test_signing_keys(tables: Tables) -> None:
    tables.add_signing_key("k1", ACCOUNT, "token", "ES256", "{}", b"wrapped", NOW, NOW + timedelta(minutes=1))
    tables.set_signing_key_status("k1", "active", NOW + timedelta(minutes=2))
    tables.set_signing_key_status("k1", "retired", NOW + timedelta(days=2))
    (key,) = tables.signing_keys(ACCOUNT)
    assert key["account_id"] == ACCOUNT
    assert key["private_wrapped"] == b"wrapped"
    assert (key["status"], key["created_at"], key["activate_at"], key["retire_at"]) == (
        "retired", NOW, NOW + timedelta(minutes=2), NOW + timedelta(days=2),
    )  # fmt: skip


def test_a_counter_counts_for_all_threads(store: PostgresStore) -> None:
    def work() -> None:
        for _ in range(25):
            store.tables().count("bucket", NOW)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.tables().count("bucket", NOW, 5) == 105
    assert store.tables().count("bucket", NOW + timedelta(hours=1)) == 1


def test_meta(tables: Tables) -> None:
    assert tables.meta("epoch") is None
    tables.set_meta("epoch", "1")
    tables.set_meta("epoch", "2")
    assert tables.meta("epoch") == "2"
