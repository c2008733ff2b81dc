"""A folder: another disk, or one that is synchronized elsewhere. Each checkpoint is a file of its own, named after its size."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from infrastructure.ledger.deposits.agreement import held_already
from infrastructure.ledger.deposits.places import LARGEST, Deposit, Kind, PlaceFailed, Receipt
from infrastructure.ledger.notes import LogSigner, signed_by, signed_by_others
from infrastructure.ledger.verifier import Checkpoint

_FILE = re.compile(r"[0-9]{12,19}(\.[0-9a-f]{12})?\.checkpoint")


class Folder:
    """Files are written beside and put in place whole; none is ever written over."""

    kind: Kind = "folder"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.name

    def holds(self, signer: LogSigner) -> Checkpoint | None:
        with self._reachable():
            return self._newest(signer)

    def others(self, signer: LogSigner) -> list[Checkpoint]:
        with self._reachable():
            return [found for path in self._files(signer) if (found := _read(path, signer, signed_by_others)) is not None]

    def deposit(self, given: Deposit, last: int) -> Receipt:
        folder = self._of(given.signer)
        with self._reachable():
            name = _name_in(folder, given)
            if not held_already(self._newest(given.signer), given):
                folder.mkdir(exist_ok=True)
                _write(folder / name, given.note)
                _settle(folder)
                _settle(self._path)
        return Receipt(f"{folder.name}/{name}", f"{folder.name}/{name}")

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            if not self._path.is_dir():  # a disk that is not mounted must not turn into a folder of this one
                raise PlaceFailed("There is no such folder: make it, or mount what belongs there.")
            yield
        except FileExistsError:
            raise PlaceFailed("A file of the checkpoint's name is in its place, and is no checkpoint of this log: move it away.") from None
        except OSError as error:
            raise PlaceFailed(f"It can't be read or written ({error.strerror or type(error).__name__}): see its rights and its space.") from None

    def _newest(self, signer: LogSigner) -> Checkpoint | None:
        """The one of the largest size that a key of the log signed."""
        return next((found for path in self._files(signer) if (found := _read(path, signer, signed_by)) is not None), None)

    def _files(self, signer: LogSigner) -> list[Path]:
        """The largest first."""
        try:
            found = [path for path in self._of(signer).iterdir() if _FILE.fullmatch(path.name)]
        except FileNotFoundError:
            return []
        return sorted(found, key=lambda path: int(path.name.partition(".")[0]), reverse=True)

    def _of(self, signer: LogSigner) -> Path:
        return self._path / quote(signer.origin, safe="")


def _name_in(folder: Path, given: Deposit) -> str:
    """A checkpoint's name is its size; where another log of the same name has that already, with the beginning of its own hash."""
    name = f"{given.size:012d}.checkpoint"
    beside = f"{given.size:012d}.{hashlib.sha256(given.note.encode()).hexdigest()[:12]}.checkpoint"
    return beside if (folder / beside).exists() or _read(folder / name, given.signer, signed_by_others) is not None else name


def _read(path: Path, signer: LogSigner, read: Callable[[str, LogSigner], Checkpoint | None]) -> Checkpoint | None:
    if not path.is_file():  # to open a pipe would wait for who writes to it
        return None
    with path.open("rb") as file:
        return read(file.read(LARGEST).decode("utf-8", "replace"), signer)


def _write(path: Path, text: str) -> None:
    """`FileExistsError` if there is one of this name."""
    new = path.with_name(f".{path.stem}.{secrets.token_hex(8)}.new")
    try:
        with new.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _put_in_place(new, path)
    finally:
        new.unlink(missing_ok=True)


def _put_in_place(new: Path, path: Path) -> None:
    try:
        path.hardlink_to(new)
    except FileExistsError:
        raise
    except OSError:  # some kinds of disk have no second name for a file
        if path.exists():
            raise FileExistsError from None
        new.replace(path)


def _settle(folder: Path) -> None:
    """So that the new name itself survives a power cut."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
