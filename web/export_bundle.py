"""An export with everything that proves it in one zip: entries, signed manifest, and each event with its proof."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, Protocol

from domain.errors import Refused
from infrastructure.ledger.evidence import add_proofs
from infrastructure.ledger.sealing import newest
from web.audit_lines import Line
from web.export_manifest import Counter, manifest

if TYPE_CHECKING:
    from pathlib import Path

    from infrastructure.bootstrap import App

SUFFIXES = {"csv": "csv", "jsonl": "jsonl", "ocsf": "ocsf.jsonl"}
_READ_ME = """An export of a Grantbook audit log.

entries.*            the entries
manifest.json        what was exported, its hash, and the log's signature over that
events/N.leaf        event N, byte for byte as the log holds it
events/N.tlog-proof  shows that the log's checkpoint holds it (c2sp.org/tlog-proof)

`grantbook audit check entries.jsonl --manifest manifest.json --vkey VKEY` checks the entries against the manifest and its signature; the verifier
(`grantbook ledger verifier`) checks each event: python verifier.py proof events/N.leaf events/N.tlog-proof --vkey VKEY
"""


_WITH_MANIFEST = """An export of a Grantbook audit log.

entries.*       the entries
manifest.json   what was exported, its hash, and the log's signature over that

`grantbook audit check ENTRIES --manifest manifest.json --vkey VKEY` checks the one against the other and its signature.
"""
_CHUNK = 1 << 16


class Taken(Protocol):
    """What an export writes down of itself while it goes."""

    rows: int
    position: int

    @property
    def filters(self) -> dict[str, str]: ...


def write_proved(
    app: App, connection: Any, account_id: str, kind: str, lines: Iterable[Line], taken: Taken, out: IO[bytes] | Path, *, most: int | None = None
) -> list[int]:
    """Write the zip; the positions that no checkpoint holds yet. `Refused` where it has more than `most` entries."""
    counter, positions = Counter(), set()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("README.txt", _READ_ME)
        with bundle.open(f"entries.{SUFFIXES[kind]}", "w") as file:
            for line, entry in lines:
                file.write(counter.add(line, None if entry is None else entry.position))
                if entry is not None:
                    positions.add(entry.position)
                    taken.rows, taken.position = counter.rows, max(taken.position, entry.position)
                if most is not None and counter.rows > most:
                    raise Refused(f"An export with proofs has at most {most:,} entries here: ask for less, or use the command line.")
        signed = newest(app.settings, connection)
        said = manifest(app, connection, counter, signed, account_id=account_id, kind=kind, filters=taken.filters, event=None)
        bundle.writestr("manifest.json", said)
        return add_proofs(bundle, connection, signed, account_id, positions)


class _Pipe(io.RawIOBase):
    """What was written and not taken yet. It can't go back, so a zip is written straight through it."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.waiting += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self.waiting)
        self.waiting.clear()
        return taken


class Zipped:
    """A zip of entries and manifest that is read while it is made: however long it is, little of it is held."""

    def __init__(self, app: App, connection: Any, account_id: str, kind: str, taken: Taken) -> None:
        self._app, self._connection, self._account_id, self._kind, self._taken = app, connection, account_id, kind, taken
        self._pipe, self._counter = _Pipe(), Counter()
        self._zip = zipfile.ZipFile(self._pipe, "w", zipfile.ZIP_DEFLATED)

    def entries(self, lines: Iterable[Line]) -> Iterator[bytes]:
        """The zip up to the end of the entries, which are counted as they leave."""
        self._zip.writestr("README.txt", _WITH_MANIFEST)
        with self._zip.open(f"entries.{SUFFIXES[self._kind]}", "w", force_zip64=True) as file:
            for line, entry in lines:
                file.write(self._counter.add(line, None if entry is None else entry.position))
                if entry is not None:
                    self._taken.rows, self._taken.position = self._counter.rows, self._counter.last
                if len(self._pipe.waiting) > _CHUNK:
                    yield self._pipe.take()
        yield self._pipe.take()

    def end(self, event: int | None) -> bytes:
        """The rest of it: what was exported, as recorded by the event at that position, signed."""
        signed, filters = newest(self._app.settings, self._connection), self._taken.filters
        self._zip.writestr(
            "manifest.json",
            manifest(self._app, self._connection, self._counter, signed, account_id=self._account_id, kind=self._kind, filters=filters, event=event),
        )
        self._zip.close()
        return self._pipe.take()
