"""What `grantbook audit export` writes: to standard output, or a file in one piece with its signed manifest, or a zip with proofs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from application.export_audit import record_export
from infrastructure.ledger.sealing import newest
from web.cli.files import in_one_piece
from web.export_bundle import write_proved
from web.export_manifest import Counter, manifest

if TYPE_CHECKING:
    from web.audit_lines import Line
    from web.cli.store import Cli


@dataclass(slots=True)
class Taking:
    """An export under way: its form, the filters as they were asked, where it goes; and how far it is."""

    form: str
    filters: dict[str, str]
    file: Path | None
    proofs: bool = field(kw_only=True)
    rows: int = field(default=0, init=False)
    position: int = field(default=0, init=False)


def take(cli: Cli, connection: Any, lines: Iterable[Line], taking: Taking) -> None:
    """Write it and record it. It is recorded before the file has its name: no export without its event."""
    if taking.file is None:
        whole = False
        try:
            for text, entry in lines:
                sys.stdout.write(text)
                if entry is not None:
                    taking.rows, taking.position = taking.rows + 1, max(taking.position, entry.position)
            sys.stdout.flush()
            whole = True
        finally:
            _record(cli, taking, whole=whole)  # what left is told, however it ended
        return
    if taking.proofs:
        with _in_one_piece(taking.file) as out:
            waiting = write_proved(cli.app, connection, cli.account_id, taking.form, lines, taking, out)
            event = _record(cli, taking)
        if waiting:
            cli.out.warn(f"{len(waiting):,} events are in no checkpoint yet, so without a proof: export again in two seconds.")
    else:
        event = _with_manifest(cli, connection, lines, taking, taking.file)
    told = {"rows": taking.rows, "file": str(taking.file), "format": taking.form, "position": taking.position, "event": event}
    cli.out.say(f"{taking.rows:,} entries are in {taking.file}.", **told)


def _with_manifest(cli: Cli, connection: Any, lines: Iterable[Line], taking: Taking, file: Path) -> int | None:
    counter = Counter()
    with _in_one_piece(file) as out:
        for text, entry in lines:
            out.write(counter.add(text, None if entry is None else entry.position))
        taking.rows, taking.position = counter.rows, counter.last
        event = _record(cli, taking)
        said = manifest(
            cli.app,
            connection,
            counter,
            newest(cli.app.settings, connection),
            account_id=cli.account_id,
            kind=taking.form,
            filters=taking.filters,
            event=event,
        )
        with _in_one_piece(file.with_name(f"{file.name}.manifest.json")) as beside:
            beside.write(said.encode())
    return event


def _record(cli: Cli, taking: Taking, *, whole: bool = True) -> int | None:
    kind, rows, position = "zip" if taking.proofs else taking.form, taking.rows, taking.position
    recorded = record_export(
        cli.services, cli.account_id, format=kind, filter=taking.filters, rows=rows, position=position, whole=whole, origin=cli.origin
    )
    return cli.position(recorded)


@contextmanager
def _in_one_piece(file: Path) -> Iterator[IO[bytes]]:
    """The file has its name only once it is whole."""
    try:
        with in_one_piece(file) as partial, partial.open("wb") as out:
            if partial != file:
                partial.chmod(0o600)
            yield out
    except OSError as error:
        raise click.ClickException(f"{file} can't be written ({error.strerror}).") from error
