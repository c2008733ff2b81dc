"""Everything that can be wrong before a command begins: one sentence, the right exit code, nothing left behind."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from tests.support.oauth_world import KEYS
from tests.support.postgres import Database
from tests.web.cli.conftest import Grantbook, clean_environment

EXTERNAL = dict(zip(("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY"), KEYS, strict=True))


def test_a_command_in_the_wrong_folder_makes_no_store_there(tmp_path: Path) -> None:
    for command in (("member", "list"), ("migrate", "--status")):
        assert "There is no store in" in Grantbook(clean_environment(), tmp_path).refused(*command)
    assert list(tmp_path.iterdir()) == []


def test_all_wrong_settings_are_reported_together(tmp_path: Path) -> None:
    environment = clean_environment(GRANTBOOK_DATABASE_URL="host=/nowhere", GRANTBOOK_PORT="many", GRANTBOOK_BASE_URL="ftp://x")
    said = Grantbook(environment, tmp_path).refused("member", "list", code=2)
    for name in ("GRANTBOOK_PORT", "GRANTBOOK_BASE_URL", "GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY"):
        assert name in said


def test_an_unreachable_database_is_one_sentence_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://someone:hunter22222@127.0.0.1:9/grantbook"
    said = Grantbook(clean_environment(GRANTBOOK_DATABASE_URL=url, **EXTERNAL), tmp_path).refused("member", "list")
    assert "can't be reached" in said
    assert "hunter22222" not in said


def test_a_database_without_schema_says_what_to_run(empty_database: Database, tmp_path: Path) -> None:
    environment = clean_environment(GRANTBOOK_DATABASE_URL=empty_database.web_dsn, **EXTERNAL)
    for command in (["member", "list"], ["serve", "--port", "18999"], ["projector"]):
        assert "grantbook migrate" in Grantbook(environment, tmp_path).refused(*command)


def test_migrate_brings_an_external_database_up_to_date_as_its_owner(empty_database: Database, tmp_path: Path) -> None:
    environment = clean_environment(GRANTBOOK_DATABASE_URL=empty_database.web_dsn, GRANTBOOK_OWNER_DATABASE_URL=empty_database.owner_dsn, **EXTERNAL)
    grantbook = Grantbook(environment, tmp_path)
    assert grantbook.run("migrate", "--status").returncode == 1
    assert {row["state"] for row in grantbook("migrate")} == {"applied"}
    assert grantbook.run("migrate", "--status").returncode == 0
    assert "grantbook init" in grantbook.refused("member", "list")


def test_other_secret_keys_than_the_store_was_made_with_are_named(database: Database, tmp_path: Path) -> None:
    first = Grantbook(clean_environment(GRANTBOOK_DATABASE_URL=database.web_dsn, **EXTERNAL), tmp_path)
    first("init", "--account", "acme", "--name", "Acme", "--admin-email", "admin@acme.example")
    other = {**EXTERNAL, "GRANTBOOK_SECRET_KEYS": base64.b64encode(hashlib.sha256(b"other").digest()).decode()}
    said = Grantbook(clean_environment(GRANTBOOK_DATABASE_URL=database.web_dsn, **other), tmp_path).refused(
        "member", "add", "--email", "x@acme.example", "--name", "X", "--role", "Member"
    )
    assert "GRANTBOOK_SECRET_KEYS" in said
    both = {**EXTERNAL, "GRANTBOOK_SECRET_KEYS": f"{other['GRANTBOOK_SECRET_KEYS']},{EXTERNAL['GRANTBOOK_SECRET_KEYS']}"}
    rotated = Grantbook(clean_environment(GRANTBOOK_DATABASE_URL=database.web_dsn, **both), tmp_path)
    assert rotated("member", "permit", "admin@acme.example", "jobs.run")["changed"] is False
    newest = Grantbook(clean_environment(GRANTBOOK_DATABASE_URL=database.web_dsn, **other), tmp_path)
    assert newest("member", "permit", "admin@acme.example", "jobs.run")["changed"] is False, "logins outlive the rotation of the root keys"


def test_a_folder_that_nobody_may_write_is_named(tmp_path: Path) -> None:
    environment = clean_environment(GRANTBOOK_DATA_DIR="/proc/grantbook")
    said = Grantbook(environment, tmp_path).refused("init", "--account", "a", "--name", "A", "--admin-email", "a@b.example", code=2)
    assert "can't be written" in said
