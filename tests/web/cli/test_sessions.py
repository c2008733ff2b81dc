"""What `grantbook session` and `replay --view sessions` print about sessions that real flows made."""

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


@pytest.fixture
def history(database: Database) -> Iterator[History]:
    with told(database) as made:
        yield made


def test_projects_are_printed_by_name_and_told_by_id(history: History, tmp_path: Path) -> None:
    settings = dict(zip(("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY"), KEYS, strict=True))
    grantbook = Grantbook(clean_environment(GRANTBOOK_DATABASE_URL=history.world.database.web_dsn, **settings), tmp_path)
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
    settings = dict(zip(("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY"), KEYS, strict=True))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("web.differences.MOST", 2)
    run = CliRunner(env=clean_environment(GRANTBOOK_DATABASE_URL=history.world.database.web_dsn, **settings))
    then, later = (str(history.at[name].position) for name in ("used", "left"))
    asked = ["access", "difference", "--position", then, "--until-position", later]
    refused = run.invoke(cli, asked).exception
    assert isinstance(refused, InvalidInput)
    assert refused.message.startswith("The access of 3 people")
    assert refused.message.endswith("narrow it by --user, --client, --project or --scope, or compare moments that are closer together.")
    assert run.invoke(cli, [*asked, "--client", history.clients["helper"]]).exit_code == 0
