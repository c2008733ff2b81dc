"""What a repository, or its server, could do to the machine that deposits there, or learn of it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from infrastructure.ledger.deposits.git import GitRepository
from infrastructure.ledger.deposits.git_program import Git, read_repository
from infrastructure.ledger.deposits.places import PlaceFailed
from infrastructure.settings import environment
from tests.infrastructure.ledger.deposits.given import Log, Request, answering, reply
from tests.infrastructure.ledger.deposits.test_git import FILE, bare, git, log

__all__ = ("bare", "log")

pytestmark = pytest.mark.git


def test_a_server_that_sends_elsewhere_sends_no_password_there(log: Log) -> None:
    asked: list[Request] = []

    def ask_who(request: Request) -> bytes:
        asked.append(request)
        return reply(b"", "401 Unauthorized", "text/plain", 'WWW-Authenticate: Basic realm="elsewhere"')

    with (
        answering(ask_who) as other,
        answering(lambda it: reply(b"", "302 Found", "text/plain", f"Location: {other}{it.path}")) as url,
        pytest.raises(PlaceFailed, match=r"^git ls-remote failed: .*302"),
    ):
        GitRepository(url.replace("://", "://me:secret@") + "/audit.git").holds(log.signer)
    assert asked == []


@pytest.mark.parametrize(("server", "told"), [("git.example:8443", True), ("git.example", False), ("other.example:8443", False)])
def test_who_asks_for_the_password_of_another_server_is_told_none(bare: Path, server: str, told: bool) -> None:
    git = Git(read_repository("https://me:secret@git.example:8443/audit.git"), str(bare), time.monotonic() + 60)
    assert (b"secret" in git("credential", "fill", given=f"protocol=https\nhost={server}\npath=audit.git\n\n".encode())) is told


def test_a_file_of_the_checkpoint_s_name_that_is_too_long_is_not_read(bare: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint of many signatures still counts, and its own size is asked first."""
    place, short = GitRepository(str(bare)), log.at(9).note + "\u2014 somebody AAAA\n" * 100
    printed: list[bytes] = []
    called = Git.__call__

    def seen(git: Git, *arguments: str, given: bytes = b"") -> bytes:
        printed.append(called(git, *arguments, given=given))
        return printed[-1]

    monkeypatch.setattr(Git, "__call__", seen)
    for text in (short, short + "\u2014 somebody AAAA\n" * 200_000):
        (bare / "file").write_text(text, encoding="utf-8")
        (bare / "tree").write_text(f"100644 blob {git(bare, 'hash-object', '-w', 'file').strip()}\t{FILE}\n", encoding="utf-8")
        with (bare / "tree").open("rb") as given:
            tree = subprocess.run(["git", "mktree"], cwd=bare, stdin=given, capture_output=True, check=True, timeout=60).stdout.decode().strip()
        made = git(bare, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit-tree", tree, "-m", "x").strip()
        git(bare, "update-ref", "refs/heads/ledger", made)
        found = place.holds(log.signer)
        assert (found.size if found else None) == (9 if text is short else None)
    assert max(map(len, printed)) < 65_536
    place.deposit(log.at(10), 9)
    assert git(bare, "show", f"ledger:{FILE}") == log.at(10).note


def test_what_git_prints_is_read_up_to_a_limit(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what it says about its errors the first words are enough."""
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:{environment('PATH')}")
    run = Git(read_repository(str(bare)), str(bare), time.monotonic() + 60)
    for lines, said in (
        ("yes | head -c 9000000", "printed more than 4 MiB"),
        ("echo alas >&2; yes no | head -c 9000000 >&2; exit 1", "failed: alas no no"),
    ):
        program.write_text(f"#!/bin/sh\n{lines}\n", encoding="utf-8")
        program.chmod(0o755)
        with pytest.raises(PlaceFailed, match=f"^git version {said}"):
            run("version")
    program.write_text("#!/bin/sh\nexec cat\n", encoding="utf-8")
    assert run("version", given=b"x" * 300_000) == b"x" * 300_000


def test_folders_that_a_killed_deposit_left_are_taken_away(bare: Path, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those of one that still works, and nothing that a link leads to."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, working, others, link = (tmp_path / name for name in ("grantbook-git-a", "grantbook-git-b", "others", "grantbook-git-c"))
    for folder in (left, working, others):
        (folder / "objects").mkdir(parents=True)
    link.symlink_to(others)
    for old in (left, others, link):
        os.utime(old, (0, 0), follow_symlinks=False)
    GitRepository(str(bare)).deposit(log.at(9), 0)
    assert {path.name for path in tmp_path.glob("*git-*")} == {working.name, link.name}
    assert (others / "objects").is_dir()
