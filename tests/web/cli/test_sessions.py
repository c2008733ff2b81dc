"""What commands print about sessions that real flows made, and about the apps and people that these belong to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from application import manage_projects
from domain.errors import InvalidInput
from tests.infrastructure.past.questions_history import History, told
from tests.support.oauth_world import CLI, KEYS
from tests.support.postgres import Database
from tests.web.cli.conftest import Grantbook, clean_environment
from web.cli.root import cli

SETTINGS = dict(zip(("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY"), KEYS, strict=True))


@pytest.fixture(scope="module")
def history(module_database: Database) -> Iterator[History]:
    with told(module_database) as made:
        yield made


@pytest.fixture
def grantbook(history: History, tmp_path: Path) -> Grantbook:
    return Grantbook(clean_environment(GRANTBOOK_DATABASE_URL=history.world.database.web_dsn, **SETTINGS), tmp_path)


def test_projects_are_printed_by_name_and_told_by_id(history: History, grantbook: Grantbook) -> None:
    world, sales = history.world, history.world.projects["Sales"]
    then, rows = history.at["used"].position, {row["grant_id"]: row["projects"] for row in grantbook("session", "list", "--all")}
    assert (rows[history.grants["maya"]], rows[history.grants["tom"]]) == ([sales], None)
    manage_projects.rename(world.services, world.account_id, sales, "Selling", origin=CLI)
    history.mark("renamed")
    for command, name in (
        (("session", "list", "--all"), "Selling"), (("session", "show", history.grants["maya"]), "Selling"),
        (("replay", "--view", "sessions", "--position", str(then)), "Sales"),
    ):  # fmt: skip
        printed = grantbook.run(*command).stdout
        assert (sales in printed, name in printed) == (False, True), printed
    assert "all" in grantbook.run("session", "show", history.grants["tom"]).stdout.split()
    assert grantbook("session", "show", history.grants["maya"])["projects"] == [sales]


def test_a_comparison_that_explains_too_much_says_what_to_narrow(history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("web.differences.MOST", 2)
    run = CliRunner(env=clean_environment(GRANTBOOK_DATABASE_URL=history.world.database.web_dsn, **SETTINGS))
    then, later = (str(history.at[name].position) for name in ("used", "left"))
    asked = ["access", "difference", "--position", then, "--until-position", later]
    refused = run.invoke(cli, asked).exception
    assert isinstance(refused, InvalidInput)
    assert refused.message.startswith("The access of 3 people")
    assert refused.message.endswith("narrow it by --user, --client, --project or --scope, or compare moments that are closer together.")
    assert run.invoke(cli, [*asked, "--client", history.clients["helper"]]).exit_code == 0


def test_what_reads_takes_a_name_and_what_decides_says_its_id(history: History, grantbook: Grantbook) -> None:
    helper, editor = history.clients["helper"], history.clients["editor"]
    assert grantbook("client", "show", "helper")["client_id"] == helper
    assert {row["client_id"] for row in grantbook("session", "list", "--all", "--client", "Editor")} == {editor}
    of_helper = grantbook("audit", "list", "--client", "Helper")
    assert of_helper == grantbook("audit", "list", "--client", helper) != []
    told = grantbook.refused("client", "approve", "Editor")
    assert f"One app is called 'Editor', and an app chooses its name itself, so this takes an id: {editor}" in told
    twin = history.world.client_id(client_name="Editor", software_id="another")
    for command in ("show", "approve"):
        told = grantbook.refused("client", command, "Editor")
        assert "2 apps are called 'Editor'" in told
        assert editor in told
        assert twin in told
    grantbook("client", "verify", twin)
    grantbook("client", "verify", twin, "--undo")
    deeds = [line["facts"]["what"] for line in grantbook("ask", "approval", "--client", twin)["lines"]]
    assert deeds == ["registered", "verified", "verification taken back"]
    for asking in ("client show", "client block", "audit list --client", "ask review --client", "access as-of 0s --client"):
        assert "no app 'Nobody'" in (told := grantbook.refused(*asking.split(), "Nobody"))
        assert "`grantbook client list --removed`" in told


def test_a_deed_says_whose_it_was_and_how_many_sessions_ended(history: History, grantbook: Grantbook) -> None:
    world, helper = history.world, history.clients["helper"]
    leaver, stays = world.member("Developer"), world.member("Developer")
    email = {row["member_id"]: row["email"] for row in grantbook("member", "list")}[leaver]
    one, *_ = [world.tokens(helper, who, scopes="account:read", keep_alive=True) for who in (leaver, leaver, stays, stays)]
    assert "The session of M in Helper is revoked." in grantbook.run("session", "revoke", str(world.grant_id(one))).stdout
    assert f"{email} is deactivated; 1 session ended." in grantbook.run("member", "deactivate", email).stdout
    done = grantbook("client", "block", helper)
    assert (done["name"], done["sessions_ended"]) == ("Helper", 2)
    assert "Helper was blocked already." in grantbook.run("client", "block", helper).stdout
    removed = history.world.client_id(client_name="Passing")
    assert "This registration of Passing is removed; no session was active." in grantbook.run("client", "remove", removed).stdout
