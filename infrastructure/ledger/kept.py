"""The newest checkpoint beside the database: a database that was set back is found by it."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from infrastructure.ledger import store
from infrastructure.ledger.notes import LogSigner, signed_by
from infrastructure.ledger.store import Connection, Signed
from infrastructure.ledger.verifier import Checkpoint

_ADVICE = (
    "Nothing is signed until this is resolved. Either bring the missing events back (restore a newer copy of the database), or, if they are lost, "
    "begin a new log under another name ({origin}/2, say). `grantbook ledger adopt` does either, and tells what was lost."
)


class SealRefused(Exception):
    """Nothing may be signed: the database does not hold what was signed before. The message, `why` and what to do, is for everybody who reaches
    /readyz; `kept_in`, the file that tells it, is for this machine's log."""

    def __init__(self, why: str, advice: str, kept_in: Path | None = None) -> None:
        super().__init__(f"{why} {advice}")
        self.why, self.kept_in = why, kept_in


def advice(origin: str) -> str:
    """The two ways out, where what was signed is not what this database holds."""
    return _ADVICE.format(origin=origin)


def difference(connection: Connection, last: Signed | None, size: int, root: bytes, where: str) -> str | None:
    """What is wrong with a database that was signed up to `last`, if a checkpoint that stands `where` is genuine; None if they fit."""
    signed = 0 if last is None else last.size
    if size > signed:
        return f"The checkpoint {where} has {size} entries, this database was signed up to {signed}: it was set back."
    if store.tree(connection, size).root() != root:
        return f"The first {size} events of this database are not those of the checkpoint {where}."
    return None


class KeptCheckpoint:
    """A file with the newest checkpoint, written after each one was stored."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "checkpoint"

    def write(self, note: str) -> None:
        """Replace it, so that at every moment there is a whole one."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self.path.with_name("checkpoint.new")
        with new.open("w", encoding="utf-8") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)

    def check(self, connection: Connection, last: Signed | None, signer: LogSigner) -> None:
        """`SealRefused` if the kept checkpoint of this log is ahead of the database, or differs from it."""
        kept = self._read(signer)
        if kept is None:
            return
        why = difference(connection, last, kept.size, kept.root, "kept beside the database")
        if why is not None:
            raise SealRefused(why, advice(signer.origin), self.path)

    def newest(self, root_keys: tuple[bytes, ...]) -> Checkpoint | None:
        """What is kept, under whatever name these keys signed it."""
        try:
            name = self.path.read_text(encoding="utf-8").partition("\n")[0]
        except FileNotFoundError:
            return None
        return self._read(LogSigner(name, root_keys))

    def set_aside(self) -> None:
        """Put the kept checkpoint of a log that was given up beside the next one's."""
        if not self.path.exists():
            return
        found = next(path for n in itertools.count(1) if not (path := self.path.with_name(f"checkpoint.given-up-{n}")).exists())
        self.path.rename(found)

    def _read(self, signer: LogSigner) -> Checkpoint | None:
        try:
            note = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        if not note.startswith(f"{signer.origin}\n"):
            return None
        return signed_by(note, signer)
