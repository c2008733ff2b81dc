"""Files that a command writes: each in one piece, and in a folder that may hold others all or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from infrastructure.randomness import random_hex


@contextmanager
def in_one_piece(file: Path) -> Iterator[Path]:
    """Where to write it: the file has its name, and what had it before is gone, only once it is whole."""
    device = file.exists() and not file.is_file()  # or a pipe
    real = file.resolve()  # beside it: a link may lead to another file system
    partial = file if device else real.with_name(f"{real.name}.{random_hex(8)}.partial")
    try:
        yield partial
        if not device:
            partial.replace(real)
    except OSError as error:
        if error.filename in (None, str(partial)):  # None where a write fails, as on a full disk
            raise OSError(error.errno, error.strerror, str(file)) from error
        raise
    finally:
        if not device:
            partial.unlink(missing_ok=True)


def write_of_log(folder: Path, origin: str, files: Mapping[str, bytes]) -> None:
    """Write a log's files into a folder. Its own of before are replaced; `Refused`, and nothing written, where a name is taken by anything else."""
    from domain.errors import Refused

    for name, content in files.items():
        if not _is_own(folder / name, origin, content):
            raise Refused(f"{folder / name} is there already, and not of this log: nothing was written. Name another folder with -o.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with in_one_piece(folder / name) as partial:
            partial.write_bytes(content)


def _is_own(path: Path, origin: str, content: bytes) -> bool:
    """A signed note and a proof name their log in a line of their own; an entry and a time stamp of a log are always the same."""
    if not path.exists():
        return True
    return path.is_file() and ((before := path.read_bytes()) == content or origin.encode() in before.split(b"\n"))
