"""The command line where the store holds several accounts, each under a host of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.oauth_world import KEYS
from tests.support.postgres import Database
from tests.web.cli.conftest import Grantbook, clean_environment

BASE_URL = "https://{account}.grants.example"


def opened(grantbook: Grantbook, slug: str) -> str:
    done = grantbook("init", "--account", slug, "--name", slug.title(), "--admin-email", f"admin@{slug}.example")
    assert done["issuer"] == f"https://{slug}.grants.example"
    return str(done["account_id"])


@pytest.fixture(scope="module")
def several(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Grantbook:
    """A store with the accounts `acme` and `umbra`."""
    keys = dict(zip(("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY"), KEYS, strict=True))
    environment = clean_environment(GRANTBOOK_DATABASE_URL=module_database.web_dsn, GRANTBOOK_BASE_URL=BASE_URL, **keys)
    made = Grantbook(environment, tmp_path_factory.mktemp("cwd"))
    opened(made, "acme")
    opened(made, "umbra")
    return made


def test_a_command_needs_the_accounts_name_and_says_which_there_are(several: Grantbook) -> None:
    for command in (["project", "list"], ["events", "tail"]):
        assert "Name one of the accounts with --account: acme, umbra." in several.refused(*command, code=2)
    assert [row["slug"] for row in several("account", "list")] == ["acme", "umbra"]


def test_a_command_acts_on_its_own_account_alone(several: Grantbook) -> None:
    several("project", "add", "Obsidian", "--account", "umbra")
    assert [row["name"] for row in several("project", "list", "--account", "umbra")] == ["Obsidian"]
    assert several("project", "list", "--account", "acme") == []
    identifiers = [row["identifier"] for row in several("resource", "list", "--account", "acme")]
    assert sorted(identifiers) == ["https://acme.grants.example/api/ai/v1/mcp", "https://acme.grants.example/api/v1"]


def test_events_of_another_account_are_not_shown(several: Grantbook) -> None:
    umbra = next(row["account_id"] for row in several("account", "list") if row["slug"] == "umbra")
    assert several("events", "show", umbra, "--account", "umbra")
    assert "There is no stream" in several.refused("events", "show", umbra, "--account", "acme")
    tail = several.run("events", "tail", "-n", "50", "--account", "acme").stdout
    assert "account.opened" in tail
    assert "umbra" not in tail


def test_a_name_that_fits_no_host_is_refused(several: Grantbook) -> None:
    said = several.refused("init", "--account", "xn--80ak6aa92e", "--name", "X", "--admin-email", "a@x.example", code=2)
    assert "third and fourth place" in said
    assert "an account 'acme' already" in several.refused("init", "--account", "ACME", "--name", "X", "--admin-email", "a@x.example")


def test_several_accounts_are_not_served_under_one_host(several: Grantbook, tmp_path: Path) -> None:
    one_host = replace(several, environment={**several.environment, "GRANTBOOK_BASE_URL": "https://grants.example"}, folder=tmp_path)
    assert "GRANTBOOK_BASE_URL must hold {account}" in one_host.refused("serve", "--port", "18998", code=2)
