"""The folder that the processes of one server share while they run: what they have counted, and whether the server is about to end."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from infrastructure.settings import environment

VARIABLE = "GRANTBOOK_RUN_FOLDER"
"""Set by the supervisor for its children; no setting."""
_FLAG, _COUNTS, _LOCK = "draining", "counts", "lock"
_PREFIX = "grantbook-run-"


class RunFolder:
    """Made new for each start, private to its user, gone at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts = path / _COUNTS

    @classmethod
    @contextlib.contextmanager
    def made(cls) -> Iterator[RunFolder]:
        """A new one; first those go that killed servers of this user have left behind."""
        for left_over in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            _clear_if_abandoned(left_over)
        with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name, Path(name, _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder = cls(Path(name))
            folder.counts.mkdir()
            (folder.path / _FLAG).write_bytes(b"\x00")
            yield folder

    @classmethod
    def ours(cls) -> RunFolder | None:
        """The one that our supervisor has made; None for a process that has none."""
        named = environment(VARIABLE)
        return cls(Path(named)) if named else None

    def drain(self) -> None:
        """Tell every process that the server is about to end."""
        with (self.path / _FLAG).open("r+b") as flag:
            flag.write(b"\x01")

    def is_draining(self) -> bool:
        """Whether that was said."""
        return (self.path / _FLAG).read_bytes() != b"\x00"


def _clear_if_abandoned(folder: Path) -> None:
    """A folder of ours whose lock nobody holds; one that is being made has no lock yet, and stays."""
    with contextlib.suppress(OSError):
        if folder.lstat().st_uid == os.geteuid() and not folder.is_symlink():
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)


class Draining:
    """Whether this process's server is about to end: one byte that all its processes share, so asking costs nothing."""

    def __init__(self) -> None:
        self._flag: mmap.mmap | None = None

    def follow(self, folder: RunFolder) -> None:
        """Look at this folder's flag from now on."""
        with (folder.path / _FLAG).open("rb") as file:
            self._flag = mmap.mmap(file.fileno(), 1, access=mmap.ACCESS_READ)

    def __call__(self) -> bool:
        return self._flag is not None and self._flag[0] != 0


draining = Draining()
"""This process's own."""
