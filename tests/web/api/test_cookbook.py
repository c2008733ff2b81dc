"""docs/api.md, run from its first command to its last against a server on a port; only the consent in the browser is done by the test."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infrastructure.database import connect
from infrastructure.ledger.sealing import Sealing
from infrastructure.ledger.verifier import open_checkpoint
from tests.web.pages.conftest import PASSWORD, Site, site

__all__ = ["site"]

ROOT = Path(__file__).resolve().parents[3]
CONSENT = f"""#!{sys.executable}
import sys
from urllib.parse import parse_qs, urlsplit
from tests.support.http_flow import Person

print(Person("BASE", "admin@jaffle.example", {PASSWORD!r}).decide(sys.argv[1])["code"])
"""


def _script() -> str:
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    whole = "\n".join(blocks)
    assert whole.count("CODE=...\n") == 1
    return "set -eu\n" + whole.replace("CODE=...\n", 'CODE=$(consent "$URL")\n')


def _programs(folder: Path, base_url: str) -> Path:
    """A folder with the programs that the commands call beside the shell's own."""
    folder.mkdir()
    programs = {
        "consent": CONSENT.replace("BASE", base_url),
        "grantbook": f'#!/bin/sh\nexec "{sys.executable}" -c "from web.cli import main; main()" "$@"\n',
        "python3": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n',
    }
    if shutil.which("curl") is None:
        programs["curl"] = f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "tests" / "support" / "curl.py"}" "$@"\n'
    for name, text in programs.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


def _environment(site: Site, programs: Path) -> dict[str, str]:
    settings = site.app.settings
    keys = {"SECRET_KEYS": settings.secret_keys, "WRAPPING_KEYS": settings.wrapping_keys, "LEDGER_KEY": settings.ledger_key}
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("GRANTBOOK", "PG"))},
        **{f"GRANTBOOK_{name}": ",".join(base64.b64encode(key).decode() for key in values) for name, values in keys.items()},
        "GRANTBOOK_DATABASE_URL": site.app.dsn,
        "GRANTBOOK_BASE_URL": site.base_url,
        "GRANTBOOK": site.base_url,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.fixture
def done(site: Site, tmp_path: Path) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path / "here"
    folder.mkdir()
    with connect(site.app.dsn) as leading:
        Sealing(site.app.settings, site.app.services).term(leading)(leading, lambda: None)
    environment = _environment(site, _programs(tmp_path / "bin", site.base_url))
    said = subprocess.run(["sh", "-x"], cwd=folder, env=environment, input=_script(), capture_output=True, text=True, timeout=110, check=False)
    return said, folder


def test_every_command_of_the_cookbook_works(done: tuple[subprocess.CompletedProcess[str], Path], site: Site) -> None:
    said, folder = done
    assert said.returncode == 0, said.stderr[-3000:]
    answers = [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")]
    me = answers[0]
    assert (me["email"], me["client_name"], set(me["scopes"])) == (
        site.email("admin"), "Governance script", {"account:read", "account:manage", "offline_access"},
    )  # fmt: skip
    assert any(answer.get("name") == "Platform" for answer in answers)
    assert any(answer.get("active") is False for answer in answers)
    assert any(answer.get("status") == "blocked" for answer in answers)
    assert any(answer.get("idle_window") == 259200 for answer in answers)
    added = [entry for answer in answers for entry in answer.get("data", []) if entry.get("event_type") == "project.added"]
    assert "Operations" in {entry["event_context"]["name"] for entry in added}
    assert open_checkpoint((folder / "checkpoint.txt").read_text(), (folder / "vkey.txt").read_text().strip()).size > 0
    assert answers[-1]["code"] == "not-found"
    assert json.loads((folder / "member.json").read_text())["name"] == "Lee Wong"
