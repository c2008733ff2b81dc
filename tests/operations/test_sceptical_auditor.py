"""docs/evidence.md, A sceptical auditor in five minutes: every line of it is run here, in order, and prints what the document says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from application import manage_members
from infrastructure.bootstrap import bootstrap
from infrastructure.embedded_places import Places
from infrastructure.embedded_user import server_user
from infrastructure.ledger.sealing import Sealing
from infrastructure.projector import Projector
from infrastructure.settings import load_settings
from projections.events import PersonalReader
from tests.operations.test_restore_drill import environment
from tests.support.oauth_world import CLI, PlainPasswords, World, oauth_world
from tests.support.postgres import EMPTY, Database, TestCluster
from web.cli.root import cli

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "evidence.md"
UNSIGNED = """SELECT count(*) FROM events e WHERE e.topic NOT LIKE 'ledger.%' AND NOT EXISTS (
    SELECT FROM positions p WHERE (p.originator_id, p.originator_version) = (e.originator_id, e.originator_version)
    AND p.position <= (SELECT coalesce(max(size), 0) FROM ledger_checkpoints))"""


@dataclass(frozen=True, slots=True)
class Line:
    """A command of the document, what it must print (in this order) or must not, and whether it ends with an error."""

    command: str
    prints: tuple[str, ...] = ()
    lacks: str | None = None
    fails: bool = False


def script() -> list[Line]:
    part = DOCUMENT.read_text(encoding="utf-8").partition("## A sceptical auditor in five minutes")[2].partition("\n## ")[0]
    lines: list[Line] = []
    for text in re.findall(r"^    (.+)$", part, re.MULTILINE):
        mark, _, said = text.partition(" ")
        if mark == "#-":
            lines[-1] = Line(lines[-1].command, lacks=said)
        elif mark in {"#", "#!"}:
            lines[-1] = Line(lines[-1].command, tuple(said.split(" … ")), fails=mark == "#!")
        else:
            lines.append(Line(text))
    return lines


@dataclass
class Desk:
    """The folder where the operator and the auditor work."""

    folder: Path
    environment: dict[str, str]
    database: Database

    def run(self, command: str) -> tuple[int, str]:
        """Exit code and what was printed. Our own commands run in this process, which spares their start; all others as the shell runs them."""
        words = shlex.split(command)
        assigned = dict(word.split("=", 1) for word in words[:1] if re.match(r"[A-Z_]+=", word))
        if words[len(assigned)] != "grantbook":
            done = subprocess.run(
                ["/bin/sh", "-c", command], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, check=False
            )
            return done.returncode, done.stdout + done.stderr
        words, target = (words[: words.index(">")], words[-1]) if ">" in words else (words, None)
        settings = self.environment | {name: self.environment[value.removeprefix("$")] for name, value in assigned.items()}
        here = Path.cwd()
        os.chdir(self.folder)
        try:
            done_here = CliRunner().invoke(cli, words[len(assigned) + 1 :], env=settings)
        finally:
            os.chdir(here)
        if target is not None:
            (self.folder / target).write_text(done_here.stdout, encoding="utf-8")
        return done_here.exit_code, f"{done_here.output}{done_here.exception or ''}"

    def all_signed(self) -> None:
        """Wait until the projector has signed everything."""
        with psycopg.connect(self.database.web_dsn, autocommit=True) as connection:
            while connection.execute(UNSIGNED).fetchone() != (0,):
                threading.Event().wait(0.05)


@pytest.fixture
def desk(database: Database, cluster: TestCluster, embedded_folder: Path, tmp_path: Path) -> Iterator[Desk]:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python").symlink_to(sys.executable)
    programs = Places(embedded_folder).programs(server_user(None))
    with cluster.fresh(EMPTY) as lastweek, oauth_world(database) as world:
        happened(world)
        settings = environment(database.web_dsn, tmp_path / "kept")
        tables = {"SUPERUSER": database.superuser_dsn, "LASTWEEK": lastweek.superuser_dsn, "LASTWEEK_WEB": lastweek.web_dsn}
        (tmp_path / "desk").mkdir()
        path = f"{Path(sys.executable).parent}:{tools}:{programs}:{os.environ['PATH']}"
        desk = Desk(tmp_path / "desk", {"PATH": path, **settings, **tables}, database)
        with projected(world, settings):
            yield desk


def happened(world: World) -> None:
    """Tom connected an app."""
    added = manage_members.add_member(
        world.services, world.account_id, email="tom@example.com", name="Tom", role="Analyst", projects=(), actor_id=world.admin_id, origin=CLI
    )
    world.tokens(world.client_id(), str(added.member_id))


@contextmanager
def projected(world: World, settings: dict[str, str]) -> Iterator[None]:
    """A projector that signs, as `grantbook projector` runs it."""
    app, stop = bootstrap(load_settings(settings), clock=world.clock, passwords=PlainPasswords()), threading.Event()
    reader = PersonalReader(app.keyring.open, app.keyring.prefetch)
    projector = Projector(app.dsn, lambda: reader, sealing=Sealing(app.settings, app.services))
    thread = threading.Thread(target=projector.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        app.close()


def test_every_line_of_the_script_is_run_and_says_what_the_document_says(desk: Desk) -> None:
    lines = script()
    assert len(lines) > 20
    for line in lines:
        desk.all_signed()
        code, said = desk.run(line.command)
        assert (code != 0) == line.fails, (line.command, said)
        at = 0
        for part in line.prints:
            assert part in said[at:], (line.command, said)
            at = said.index(part, at) + len(part)
        assert line.lacks is None or line.lacks not in said, line.command
