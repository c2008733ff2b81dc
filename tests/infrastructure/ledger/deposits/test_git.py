from __future__ import annotations

import base64
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.ledger.deposits.git import GitRepository
from infrastructure.ledger.deposits.git_program import Git, read_repository
from infrastructure.ledger.deposits.places import PlaceAhead, PlaceFailed
from infrastructure.settings import environment
from tests.infrastructure.ledger.deposits.given import Log, Request, answering, reply

pytestmark = pytest.mark.git
FILE = "auth.example.com%2Fledger.checkpoint"


@pytest.fixture
def log() -> Log:
    return Log("auth.example.com/ledger")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    path = tmp_path / "secret-folder" / "audit.git"
    path.mkdir(parents=True)
    git(path, "init", "--quiet", "--bare", ".")
    return path


def git(folder: Path, *arguments: str) -> str:
    """As the auditor runs it."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True, timeout=60)
    return done.stdout.decode("utf-8", "surrogateescape")


def commits(bare: Path) -> list[str]:
    """The newest first."""
    return git(bare, "log", "--format=%H", "ledger").split()


def hook(bare: Path, name: str, *lines: str) -> Path:
    path = bare / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines, "")), encoding="utf-8")
    path.chmod(0o755)
    return path


def test_each_checkpoint_is_a_commit_of_the_branch_ledger(bare: Path, log: Log) -> None:
    place = GitRepository(str(bare))
    assert place.holds(log.signer) is None
    receipts = [place.deposit(log.at(size), last) for size, last in ((9, 0), (200, 9))]
    assert [receipt.kept for receipt in receipts] == commits(bare)[::-1]
    assert receipts[1].told == f"commit {receipts[1].kept}"
    assert [git(bare, "show", f"{each.kept}:{FILE}") for each in receipts] == [log.at(9).note, log.at(200).note]
    newest = place.holds(log.signer)
    assert newest is not None
    assert (newest.size, newest.root) == (200, log.at(200).root)
    assert place.name == "audit.git"
    assert git(bare, "log", "-1", "--format=%an %s", "ledger").strip() == "Grantbook Checkpoint of 200 entries of auth.example.com/ledger"


def test_the_same_checkpoint_again_is_no_second_commit(bare: Path, log: Log) -> None:
    """An answer that was lost after the push is told by this."""
    first, again = (GitRepository(f"file://{bare}").deposit(log.at(9), 0) for _ in range(2))
    assert first == again
    assert commits(bare) == [first.kept]


def test_what_else_is_in_the_repository_stays(bare: Path, log: Log, tmp_path: Path) -> None:
    """Files with any name, folders, other branches, and the checkpoints of another log."""
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch=ledger")
    for name in (b"README", b"l\xe4tin", "späße\n.txt".encode()):
        (work / os.fsdecode(name)).write_text("kept", encoding="utf-8")
    (work / "folder").mkdir()
    (work / "folder" / "inside").write_text("kept", encoding="utf-8")
    git(work, "add", ".")
    git(work, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "-m", "Begin")
    git(work, "push", "--quiet", str(bare), "ledger", "ledger:other")
    before, tree = git(bare, "rev-parse", "other"), git(bare, "ls-tree", "-r", "-z", "other")
    place = GitRepository(str(bare))
    place.deposit(log.at(9), 0)
    place.deposit(Log("auth.example.com/ledger/2").at(3), 0)
    place.deposit(log.at(10), 9)
    assert git(bare, "rev-parse", "other") == before
    assert [each for each in git(bare, "ls-tree", "-r", "-z", "ledger").split("\0") if ".checkpoint" not in each] == tree.split("\0")
    assert len(commits(bare)) == 4
    newest = place.holds(log.signer)
    assert newest is not None
    assert newest.size == 10


def test_a_checkpoint_of_another_log_of_the_same_name_is_kept_and_seen(bare: Path, log: Log) -> None:
    place, other = GitRepository(str(bare)), log.of_another_key()
    assert place.others(log.signer) == []
    place.deposit(other.at(30), 0)
    assert [(each.size, each.root) for each in place.others(log.signer)] == [(30, other.at(30).root)]
    for size, last in ((9, 0), (20, 9)):
        place.deposit(log.at(size), last)
    newest = place.holds(log.signer)
    assert newest is not None
    assert newest.size == 20
    assert [(each.size, each.root) for each in place.others(log.signer)] == [(30, other.at(30).root)], "it was not written over"
    kept = [name for name in git(bare, "ls-tree", "--name-only", "ledger").splitlines() if name != FILE]
    assert [git(bare, "show", f"ledger:{name}") for name in kept] == [other.at(30).note]
    assert place.others(Log("auth.example.com/ledger/2").signer) == []


def test_a_log_that_was_set_back_or_rewritten_is_not_pushed(bare: Path, log: Log) -> None:
    place = GitRepository(str(bare))
    place.deposit(log.at(20), 0)
    for given in (log.at(12), log.another("changed", after=15).at(20), log.another("changed", after=15).at(30)):
        with pytest.raises(PlaceAhead) as ahead:
            place.deposit(given, 0)
        assert ahead.value.size == 20
    assert len(commits(bare)) == 1


@pytest.mark.parametrize("name", ["pre-receive", "update"])
def test_a_repository_that_refuses_is_told_with_its_reason_and_asked_again(bare: Path, log: Log, name: str) -> None:
    refusing = hook(bare, name, "echo 'the branch is frozen until Monday' >&2", "exit 1")
    place = GitRepository(str(bare))
    with pytest.raises(PlaceFailed, match=r"^git push failed: remote: the branch is frozen until Monday") as why:
        place.deposit(log.at(9), 0)
    assert "secret-folder" not in str(why.value)
    assert place.holds(log.signer) is None
    refusing.unlink()
    place.deposit(log.at(9), 0)
    assert len(commits(bare)) == 1


def test_a_push_that_is_killed_half_way_is_repeated(bare: Path, log: Log, tmp_path: Path) -> None:
    """The repository holds everything of it, but the branch has not moved."""
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    holding = hook(bare, "pre-receive", f"echo $PPID > '{begun}'", f"exec cat '{begun}'")
    place, failed = GitRepository(str(bare)), list[str]()

    def push() -> None:
        try:
            place.deposit(log.at(9), 0)
        except PlaceFailed as error:
            failed.append(str(error))

    pushing = threading.Thread(target=push)
    pushing.start()
    receiver = int(begun.read_text(encoding="utf-8"))
    os.killpg(os.getpgid(receiver), signal.SIGKILL)
    pushing.join(60)
    assert [each.partition(":")[0] for each in failed] == ["git push failed"]
    assert place.holds(log.signer) is None
    holding.unlink()
    place.deposit(log.at(9), 0)
    assert len(commits(bare)) == 1


def test_a_lock_that_was_left_behind_is_told_and_taken_away_goes_on(bare: Path, log: Log) -> None:
    place = GitRepository(f"file://{bare}")
    lock = bare / "refs" / "heads" / "ledger.lock"
    lock.touch()
    with pytest.raises(PlaceFailed, match=r"ledger\.lock.*File exists") as why:
        place.deposit(log.at(9), 0)
    assert "secret-folder" not in str(why.value)
    lock.unlink()
    place.deposit(log.at(9), 0)


def test_of_two_nodes_that_push_at_once_one_wins_and_the_other_sees_it(bare: Path, log: Log, tmp_path: Path) -> None:
    """The hook of the first push makes the second one before the branch moves."""
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", "--bare", str(bare), str(other))
    GitRepository(str(other)).deposit(log.at(9), 0)
    winner = commits(other)[0]
    hook(bare, "pre-receive", "unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES", f"rm -f '{bare}/hooks/pre-receive'",
         f"git fetch --quiet '{other}' ledger:ledger")  # fmt: skip
    place = GitRepository(str(bare))
    with pytest.raises(PlaceFailed, match="git push failed"):
        place.deposit(log.at(10), 0)
    assert commits(bare) == [winner]
    place.deposit(log.at(10), 0)
    assert [size.rpartition(" entries")[0] for size in git(bare, "log", "--format=%s", "ledger").splitlines()] == [
        "Checkpoint of 10",
        "Checkpoint of 9",
    ]


def test_a_repository_that_hangs_ends_in_time_with_all_that_it_started(bare: Path, log: Log, tmp_path: Path) -> None:
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    os.mkfifo(begun)
    hook(bare, "pre-receive", f"exec 3<>'{begun}'", f"read line <&3; touch '{ended}'")
    with pytest.raises(PlaceFailed, match=r"^git [a-z-]+ did not end in time\.$"):
        GitRepository(str(bare), seconds=1).deposit(log.at(9), 0)
    with pytest.raises(OSError, match="No such device"):  # nobody reads it any more
        os.open(begun, os.O_WRONLY | os.O_NONBLOCK)
    assert not ended.exists()


def test_all_that_git_does_for_a_deposit_has_one_end(bare: Path) -> None:
    """What began late has no time of its own."""
    with pytest.raises(PlaceFailed, match=r"^git version did not end in time\.$"):
        Git(read_repository(str(bare)), str(bare), time.monotonic() - 1)("version")


def test_without_the_program_one_sentence_says_so(bare: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PlaceFailed, match=r"^The program `git` can't be run: install it on the machine that runs Grantbook\.$"):
        GitRepository(str(bare)).deposit(log.at(9), 0)


def test_what_is_no_repository_is_said_so_without_its_folder(tmp_path: Path, log: Log) -> None:
    with pytest.raises(PlaceFailed, match=r"^git ls-remote failed: .*audit\.git") as why:
        GitRepository(str(tmp_path / "secret-folder" / "audit.git")).holds(log.signer)
    assert "/" not in str(why.value)


@pytest.fixture
def served(bare: Path) -> Iterator[tuple[str, list[Request]]]:
    """The repository over HTTP, by git's own program, for those who know the password."""
    git(bare, "config", "http.receivepack", "true")
    asked: list[Request] = []

    def answer(request: Request) -> bytes:
        asked.append(request)
        if request.header("authorization") != "Basic " + base64.b64encode(b"log@book:pa:ss/word").decode():
            return reply(b"who are you?", "401 Unauthorized", "text/plain", 'WWW-Authenticate: Basic realm="audit"')
        path, _, query = request.path.partition("?")
        variables = {
            "PATH": environment("PATH"), "GIT_PROJECT_ROOT": str(bare.parent), "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "book", "PATH_INFO": path,
            "REQUEST_METHOD": request.head.split(b" ")[0].decode(), "QUERY_STRING": query, "CONTENT_TYPE": request.header("content-type"),
            "CONTENT_LENGTH": str(len(request.body)), "HTTP_CONTENT_ENCODING": request.header("content-encoding"),
            "GIT_PROTOCOL": request.header("git-protocol"), "REMOTE_ADDR": "127.0.0.1",
        }  # fmt: skip
        done = subprocess.run(["git", "http-backend"], env=variables, input=request.body, capture_output=True, check=True, timeout=60)
        return b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + done.stdout

    with answering(answer) as url:
        yield url, asked


def test_over_http_the_password_is_given_to_nobody_but_the_server(served: tuple[str, list[Request]], bare: Path, log: Log, tmp_path: Path) -> None:
    """Not as an argument of a program either, which every user of the machine can see."""
    url, asked = served
    arguments = tmp_path / "arguments"
    hook(bare, "pre-receive", f"cat /proc/[0-9]*/cmdline | tr '\\0' ' ' > '{arguments}'")
    place = GitRepository(url.replace("://", "://log%40book:pa%3Ass%2Fword@") + "/audit.git")
    place.deposit(log.at(9), 0)
    assert place.deposit(log.at(9), 0).kept == commits(bare)[0]
    assert "push --quiet --porcelain" in arguments.read_text(errors="replace")
    assert not any(secret in arguments.read_text(errors="replace") for secret in ("pa:ss", "pa%3Ass"))
    assert place.name == f"{url.partition('://')[2]}/audit.git"
    assert len(asked) > 3
    assert "pa:ss" not in repr(read_repository(url.replace("://", "://log%40book:pa%3Ass%2Fword@"))), "not where an object is printed"


def test_a_wrong_password_is_said_without_the_password(served: tuple[str, list[Request]], log: Log) -> None:
    with pytest.raises(PlaceFailed, match=r"^git ls-remote failed: .*Authentication failed") as why:
        GitRepository(served[0].replace("://", "://log%40book:guessed@") + "/audit.git").deposit(log.at(9), 0)
    assert "guessed" not in str(why.value)
    assert "log" not in str(why.value).replace("git ls-remote", "")


def test_over_ssh_nothing_is_asked_and_the_configured_command_is_used(bare: Path, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that runs here what it would run there."""
    ssh, told = tmp_path / "ssh", tmp_path / "told"
    ssh.write_text(f'#!/bin/sh\necho "$@" >> {told}\nfor last; do :; done\nexec sh -c "$last"\n', encoding="utf-8")
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", f"{ssh} -i key")
    place = GitRepository(f"ssh://git@audit.example:2222{bare}")
    assert place.deposit(log.at(9), 0).kept == commits(bare)[0]
    lines = told.read_text(encoding="utf-8").splitlines()
    assert len(lines) > 1
    assert all(line.startswith("-i key -o BatchMode=yes -o ConnectTimeout=10 ") and "git@audit.example" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("/srv/audit.git/", "/srv/audit.git", "audit.git"),
        ("file:///srv/audit.git", "file:///srv/audit.git", "audit.git"),
        ("git@example.com:us/audit.git", "git@example.com:us/audit.git", "example.com:us/audit.git"),
        ("ssh://git@example.com:2222/audit.git", "ssh://git@example.com:2222/audit.git", "example.com:2222/audit.git"),
        ("https://u:p@example.com/audit.git?key=1", "https://example.com/audit.git?key=1", "example.com/audit.git"),
        ("https://token@example.com/audit.git", "https://example.com/audit.git", "example.com/audit.git"),
    ],
)
def test_a_repository_is_known_by_a_name_without_secrets(text: str, address: str, name: str) -> None:
    found = read_repository(text)
    assert (found.address, found.name) == (address, name)


def test_a_way_of_git_s_to_run_programs_is_no_address(log: Log, tmp_path: Path) -> None:
    with pytest.raises(PlaceFailed, match="transport 'ext' not allowed"):
        GitRepository(f"ext::touch {tmp_path}/ran").holds(log.signer)
    assert not (tmp_path / "ran").exists()


def test_the_settings_of_grantbook_are_not_told_to_git(bare: Path, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRANTBOOK_LEDGER_KEY", "not for hooks")
    told = tmp_path / "told"
    hook(bare, "pre-receive", f"env > '{told}'")
    GitRepository(str(bare)).deposit(log.at(9), 0)
    assert "GRANTBOOK" not in told.read_text(encoding="utf-8")
