from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from application import open_account, sign_in
from application.services import Origin
from domain.errors import AlreadyExists, DomainError, InvalidInput, Refused
from infrastructure.bootstrap import App, bootstrap
from infrastructure.settings import load_settings
from tests.support.oauth_world import KEYS, PlainPasswords, Turned
from tests.support.postgres import Database

SETUP = Origin("ui", "203.0.113.7")
FACTS: dict[str, Any] = {
    "slug": "Acme",
    "name": "Acme Inc",
    "admin_email": "Ada@Acme.example",
    "admin_name": "Ada",
    "password": "correct horse battery",
    "origin": SETUP,
}


@pytest.fixture
def clock() -> Turned:
    return Turned()


@pytest.fixture
def app(database: Database, clock: Turned) -> Iterator[App]:
    environ = {"GRANTBOOK_DATABASE_URL": database.web_dsn}
    environ |= dict(zip(("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY"), KEYS, strict=True))
    with contextlib.closing(bootstrap(load_settings(environ), clock=clock, passwords=PlainPasswords())) as made:
        yield made


def test_an_account_opens_with_keys_in_use_an_admin_and_its_own_resources(app: App) -> None:
    opened = open_account.open_account(app.services, **FACTS)
    account_id = str(opened.account.id)
    tables = app.services.store.tables()
    assert tables.accounts() == [(account_id, "acme", "Acme Inc")]
    assert {(k["use"], k["status"]) for k in tables.signing_keys(account_id)} == {("token", "active"), ("assertion", "active")}
    assert opened.admin.holds("account.manage")
    assert set(opened.account.resources) == {app.services.mcp_url, app.services.api_url}
    done = sign_in.sign_in_with_password(app.services, account_id, "ada@acme.example", FACTS["password"], SETUP)
    assert isinstance(done, sign_in.SignedIn)


def test_a_second_account_is_refused_unless_the_store_holds_several(app: App) -> None:
    open_account.open_account(app.services, **FACTS)
    with pytest.raises(AlreadyExists):
        open_account.open_account(app.services, **FACTS)
    with pytest.raises(Refused, match="has its account already"):
        open_account.open_account(app.services, **FACTS | {"slug": "other"})
    open_account.open_account(app.services, several=True, **FACTS | {"slug": "other"})
    assert len(app.services.store.tables().accounts()) == 2


def test_of_several_set_ups_at_once_one_succeeds(app: App) -> None:
    def attempt(number: int) -> bool:
        try:
            open_account.open_account(app.services, **FACTS | {"slug": f"acme-{number}"})
        except DomainError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == [False, False, False, True]
    assert len(app.services.store.tables().accounts()) == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"slug": "not a slug"}, "account"),
        ({"slug": "-x"}, "account"),
        ({"name": "  "}, "name"),
        ({"admin_email": "nobody"}, "email"),
        ({"password": "short"}, "password"),
        ({"plan": "golden"}, "plan"),
    ],
)
def test_a_wrong_value_names_its_field_and_opens_nothing(app: App, wrong: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        open_account.open_account(app.services, **FACTS | wrong)
    assert refused.value.field == field
    assert app.services.store.tables().accounts() == []


def test_a_set_up_link_works_once(app: App) -> None:
    token = open_account.make_setup_link(app.services)
    assert open_account.setup_link_valid(app.services, token)
    assert not open_account.setup_link_valid(app.services, token + "x")
    open_account.open_account(app.services, setup_token=token, **FACTS)
    assert not open_account.setup_link_valid(app.services, token)
    with pytest.raises(Refused, match="used before"):
        open_account.open_account(app.services, setup_token=token, several=True, **FACTS | {"slug": "other"})


def test_a_failed_set_up_does_not_spend_its_link(app: App) -> None:
    token = open_account.make_setup_link(app.services)
    with pytest.raises(InvalidInput):
        open_account.open_account(app.services, setup_token=token, **FACTS | {"password": "short"})
    assert open_account.setup_link_valid(app.services, token)


def test_a_set_up_link_expires_and_opens_nothing_then(app: App, clock: Turned) -> None:
    token = open_account.make_setup_link(app.services)
    clock.ahead += open_account.SETUP_LINK_LIFE + timedelta(seconds=1)
    assert not open_account.setup_link_valid(app.services, token)
    with pytest.raises(Refused):
        open_account.open_account(app.services, setup_token=token, **FACTS)
    assert app.services.store.tables().accounts() == []


def test_only_the_newest_link_counts(app: App) -> None:
    first, second = open_account.make_setup_link(app.services), open_account.make_setup_link(app.services)
    assert [open_account.setup_link_valid(app.services, t) for t in (first, second)] == [False, True]


def test_an_admin_without_a_password_can_not_sign_in(app: App) -> None:
    opened = open_account.open_account(app.services, **FACTS | {"password": None})
    for typed in ("", "None"):
        done = sign_in.sign_in_with_password(app.services, str(opened.account.id), FACTS["admin_email"], typed, SETUP)
        assert isinstance(done, sign_in.SignInRefused)
