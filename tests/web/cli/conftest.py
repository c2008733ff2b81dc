from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import command
from tests.support.oauth_world import KEYS
from tests.support.postgres import Database

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-c", "from web.cli import main; main()"]


@dataclass(frozen=True)
class Grantbook:
    """The real command line, as a process of its own."""

    environment: dict[str, str]
    folder: Path

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return command.grantbook(arguments, environment=self.environment, folder=self.folder, stdin=stdin)

    def __call__(self, *arguments: str, stdin: str = "") -> Any:
        """What the command says as JSON; it must succeed."""
        done = self.run(*arguments, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr or done.stdout
        return json.loads(done.stdout)

    def refused(self, *arguments: str, code: int = 1) -> str:
        """The sentence with which the command is refused."""
        done = self.run(*arguments)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stderr


def clean_environment(**settings: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GRANTBOOK_", "PG"))}
    return {**kept, "PYTHONPATH": str(ROOT), **settings}


@pytest.fixture(scope="module")
def grantbook(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grantbook]:
    """A store in an external database with the account `acme`."""
    settings = dict(zip(("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY"), KEYS, strict=True))
    environment = clean_environment(GRANTBOOK_DATABASE_URL=module_database.web_dsn, **settings)
    made = Grantbook(environment, tmp_path_factory.mktemp("cwd"))
    made("init", "--account", "acme", "--name", "Acme", "--admin-email", "admin@acme.example", "--password-stdin", stdin="correct horse battery\n")
    yield made
    assert list(made.folder.iterdir()) == [], "a command with an external database leaves nothing in the folder it runs in"
