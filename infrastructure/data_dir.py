"""The data directory: made private, and the errors that say what to do when it can't be used."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


class EmbeddedError(Exception):
    """The embedded PostgreSQL can't be used here; the message is one sentence for the person at the terminal."""


class DataDirError(EmbeddedError):
    """The data directory can't be used; the message is one sentence for the person at the terminal."""


def make_data_dir(folder: Path) -> None:
    """Make `folder` where it is missing, private but for a way through for the server's own user; raise `DataDirError`."""
    try:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unusable(folder, error.strerror) from error


def check_data_dir(folder: Path) -> None:
    """As far as can be told without making anything, whether `make_data_dir` will do; raise `DataDirError`."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise _unusable(folder, "Permission denied" if place.is_dir() else "Not a directory")


def _unusable(folder: Path, why: str | None) -> DataDirError:
    return DataDirError(f"The data directory {folder} can't be written ({why}): make it writable, or name another one in GRANTBOOK_DATA_DIR.")


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step, readable by us alone."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
