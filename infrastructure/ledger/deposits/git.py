"""A git repository, local or remote: one commit per checkpoint on the branch `ledger`, pushed by the `git` program."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from infrastructure.clock import now
from infrastructure.ledger.deposits.agreement import held_already
from infrastructure.ledger.deposits.git_program import Git, read_repository
from infrastructure.ledger.deposits.places import LARGEST, Deposit, Kind, PlaceFailed, Receipt
from infrastructure.ledger.notes import LogSigner, signed_by, signed_by_others
from infrastructure.ledger.verifier import Checkpoint

BRANCH = "refs/heads/ledger"
_HERE = "refs/heads/fetched"
_PREFIX = "grantbook-git-"
_LEFT_S = 3600.0
"""Nothing works in a folder for so long: who made it was killed."""


class GitRepository:
    """Each deposit works in a folder of its own that is thrown away: what was cut off leaves nothing behind, and the remote moves at once or not."""

    kind: Kind = "git"

    def __init__(self, repository: str, seconds: float = 60.0) -> None:
        self._repository, self._seconds = read_repository(repository), seconds
        self.name = self._repository.name

    def holds(self, signer: LogSigner) -> Checkpoint | None:
        with self._working() as git:
            return _newest(git, _entries(git, self._fetched(git)), signer)

    def others(self, signer: LogSigner) -> list[Checkpoint]:
        with self._working() as git:
            notes = [_note(git, entry) for entry in _entries(git, self._fetched(git)) if _of_this_name(entry, signer)]
        found = [told for note in notes if note is not None and (told := signed_by_others(note, signer)) is not None]
        return sorted(found, key=lambda told: told.size, reverse=True)

    def deposit(self, given: Deposit, last: int) -> Receipt:
        with self._working() as git:
            parent = self._fetched(git)
            entries = _entries(git, parent)
            if parent is not None and held_already(_newest(git, entries, given.signer), given):  # pushed before, and the answer was lost
                return Receipt(parent, f"commit {parent}")
            commit = _commit(git, given, parent, entries)
            git("push", "--quiet", "--porcelain", "--", self._repository.address, f"{commit}:{BRANCH}")
            return Receipt(commit, f"commit {commit}")

    @contextmanager
    def _working(self) -> Iterator[Git]:
        try:
            _clear_up(Path(tempfile.gettempdir()))
            with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
                git = Git(self._repository, folder, time.monotonic() + self._seconds)
                git("init", "--quiet", "--bare", "--template=", ".")
                yield git
        except OSError as error:
            raise PlaceFailed(f"No folder can be made to work in ({error.strerror or type(error).__name__}).") from None

    def _fetched(self, git: Git) -> str | None:
        """The newest commit there, fetched; None where the branch is not there yet."""
        refs = git("ls-remote", "--", self._repository.address, BRANCH).decode("utf-8", "replace").splitlines()
        if not any(line.partition("\t")[2] == BRANCH for line in refs):
            return None
        git("fetch", "--quiet", "--no-tags", "--depth=1", "--", self._repository.address, f"{BRANCH}:{_HERE}")
        return git("rev-parse", "--verify", _HERE).decode().strip()


def _clear_up(among: Path) -> None:
    """Take away our own folders that were left behind."""
    for folder in among.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody else takes it away at the same moment
            found = folder.lstat()
            if found.st_uid == os.geteuid() and found.st_mtime < now().timestamp() - _LEFT_S:
                shutil.rmtree(folder, ignore_errors=True)


def _newest(git: Git, entries: list[bytes], signer: LogSigner) -> Checkpoint | None:
    found = next((entry for entry in entries if _name(entry) == _file_of(signer)), None)
    note = None if found is None else _note(git, found)
    return None if note is None else signed_by(note, signer)


def _note(git: Git, entry: bytes) -> str | None:
    """What stands in a file; None where it is too long for a checkpoint."""
    blob = _blob(entry)
    return git("cat-file", "-p", blob).decode("utf-8", "replace") if int(git("cat-file", "-s", blob)) <= LARGEST else None


def _commit(git: Git, given: Deposit, parent: str | None, entries: list[bytes]) -> str:
    """A commit whose tree is the parent's with this checkpoint. One of another log under the same name stays, beside it."""
    name = _file_of(given.signer)
    blob = git("hash-object", "-w", "--stdin", given=given.note.encode()).decode().strip()
    others = [entry for entry in entries if _name(entry) != name]
    others += [_set_aside(entry, given.signer) for entry in entries if _name(entry) == name and _is_of_others(git, entry, given.signer)]
    ours = f"100644 blob {blob}\t{name}".encode()
    tree = git("mktree", "-z", "--missing", given=b"".join(entry + b"\0" for entry in (*others, ours))).decode().strip()
    parents = [] if parent is None else ["-p", parent]
    message = f"Checkpoint of {given.size} entries of {given.signer.origin}"
    return git("commit-tree", tree, *parents, "-m", message).decode().strip()


def _entries(git: Git, commit: str | None) -> list[bytes]:
    """Of its tree: mode, type and object of each, a tab, and its name."""
    return [] if commit is None else [entry for entry in git("ls-tree", "-z", commit).split(b"\0") if entry]


def _is_of_others(git: Git, entry: bytes, signer: LogSigner) -> bool:
    note = _note(git, entry)
    return note is not None and signed_by_others(note, signer) is not None


def _set_aside(entry: bytes, signer: LogSigner) -> bytes:
    """The same file under a name of its own."""
    return entry.partition(b"\t")[0] + f"\t{quote(signer.origin, safe='')}.{_blob(entry)[:12]}.checkpoint".encode()


def _of_this_name(entry: bytes, signer: LogSigner) -> bool:
    """Whether a file is the log's, or was set aside for it."""
    start, name = quote(signer.origin, safe=""), _name(entry)
    return name == _file_of(signer) or re.fullmatch(rf"{re.escape(start)}\.[0-9a-f]{{12}}\.checkpoint", name) is not None


def _blob(entry: bytes) -> str:
    return entry.partition(b"\t")[0].split()[2].decode()


def _name(entry: bytes) -> str:
    return entry.partition(b"\t")[2].decode("utf-8", "surrogateescape")


def _file_of(signer: LogSigner) -> str:
    return f"{quote(signer.origin, safe='')}.checkpoint"
