"""The folder that the processes of one server share while they run: what they have counted, and whether the server is about to end."""

from __future__ import annotations

import contextlib
import mmap
import tempfile
from collections.abc import Iterator
from pathlib import Path

from infrastructure.settings import environment

VARIABLE = "GRANTBOOK_RUN_FOLDER"
"""Set by the supervisor for its children; no setting."""
_FLAG, _COUNTS = "draining", "counts"


class RunFolder:
    """Made new for each start, private to its user, gone at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts = path / _COUNTS

    @classmethod
    @contextlib.contextmanager
    def made(cls) -> Iterator[RunFolder]:
        """A new one."""
        with tempfile.TemporaryDirectory(prefix="grantbook-run-", ignore_cleanup_errors=True) as name:
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
