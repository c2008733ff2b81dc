"""One server per data directory: a lock that the kernel drops with its holder, and what the holder says about itself."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from infrastructure.data_dir import DataDirError, make_data_dir


class AlreadyRunning(Exception):
    """Another server holds the data directory; the sentence says which and what to do."""


class RunLock:
    """Held while the server of a data directory runs; `left_over` tells that the one before was killed."""

    def __init__(self, data_dir: Path, about: dict[str, Any]) -> None:
        self._path = data_dir / "serve.lock"
        self._data_dir = data_dir
        self._about = about
        self._descriptor: int | None = None
        self.left_over = False

    def __enter__(self) -> Self:
        make_data_dir(self._data_dir)
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirError(f"{self._path} can't be opened ({error.strerror}): run Grantbook as the user that made it.") from error
        said = os.read(descriptor, 4096)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunning(_sentence(said, self._data_dir)) from None
        self.left_over = bool(said.strip())
        self._descriptor = descriptor
        self._write(json.dumps({"pid": os.getpid(), **self._about}).encode())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._descriptor is not None:
            self._write(b"")
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, text: bytes) -> None:
        assert self._descriptor is not None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)


def _sentence(said: bytes, data_dir: Path) -> str:
    try:
        about = json.loads(said)
        who = f" (process {about['pid']}, {about['url']})"
        end = f"`kill {about['pid']}`"
    except (ValueError, KeyError, TypeError):
        who, end = "", "Ctrl-C where it runs"
    return f"Grantbook runs on {data_dir} already{who}: use that one, end it with {end}, or name another folder with --data-dir."
