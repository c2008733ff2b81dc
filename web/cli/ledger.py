"""`grantbook ledger`: what was signed, proofs and exports for auditors, and the record checked against itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from web.cli import adoption_words as words
from web.cli.commands import REFUSED, data_dir_option, json_option, store_command, yes_option
from web.cli.commands import account_option as _account_option
from web.cli.output import print_line

if TYPE_CHECKING:
    from infrastructure.ledger.store import Connection, Signed
    from web.cli.store import Cli


@click.group("ledger", help="The order of all events, their hashes, and what was signed over them.")
def ledger() -> None:
    pass


@store_command(ledger, "checkpoint", help="Print the newest signed checkpoint, or with --key the public key that auditors check it with.")
@click.option("--key", is_flag=True, help="The verifier key instead.")
@click.option("--witnessed", is_flag=True, help="The newest that a witness has cosigned.")
def checkpoint(cli: Cli, *, key: bool, witnessed: bool) -> None:
    from infrastructure.ledger.sealing import signer_of

    with _reading(cli) as connection:
        vkeys = signer_of(cli.app.settings, connection).vkeys
        if key:
            cli.out.say(vkeys[0], vkey=vkeys[0], vkeys=vkeys)
            return
        signed = _newest(cli, connection, witnessed=witnessed)
    cli.out.say(signed.note.rstrip("\n"), size=signed.size, root=signed.root.hex(), note=signed.note, vkey=vkeys[0])


@store_command(ledger, "prove", help="Write leaf and proof of events (POSITION.leaf, POSITION.tlog-proof) for offline verification.")
@click.argument("positions", type=click.IntRange(1), nargs=-1, required=True, metavar="POSITION...")
@click.option("-o", "--output", "folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), metavar="DIR", help="[default: here]")
def prove(cli: Cli, *, positions: tuple[int, ...], folder: Path) -> None:
    from domain.errors import NotFound, Refused
    from infrastructure.ledger.bundle import proofs_of
    from infrastructure.ledger.sealing import name_of
    from infrastructure.ledger.store import account_of
    from web.cli.files import write_of_log

    files: dict[str, bytes] = {}
    with _reading(cli) as connection:
        signed = _newest(cli, connection, holding=max(positions))
        for position in positions:
            if account_of(connection, position) != cli.account_id:
                raise NotFound(f"This account has no event {position}.")
            if position > signed.size:
                raise Refused(f"Event {position} is in the log, but not yet in a checkpoint: try again in two seconds.")
        for position, leaf, proof in proofs_of(connection, signed, positions, cli.account_id):
            files |= {f"{position}.leaf": leaf, f"{position}.tlog-proof": proof.encode()}
        write_of_log(folder, name_of(cli.app.settings, connection), files)
    told = f"Wrote {', '.join(files)} to {folder}, for the checkpoint of {signed.size:,} entries."
    cli.out.say(told, files=list(files), size=signed.size)


@store_command(ledger, "export", help="Write the account's events as a bundle that `ledger verify FILE` checks offline.")
@click.option("-o", "--output", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE")
@click.option("--after", type=click.IntRange(0), default=0, metavar="POSITION", help="Only what came after this event; then it is not complete.")
@click.option("--witnessed", is_flag=True, help="Up to the newest checkpoint that a witness has cosigned.")
def export(cli: Cli, *, path: Path, after: int, witnessed: bool) -> None:
    from infrastructure.ledger.bundle import write_bundle
    from web.cli.files import in_one_piece

    with _reading(cli) as connection:
        signed = _newest(cli, connection, witnessed=witnessed)
        with in_one_piece(path) as partial:
            written = write_bundle(connection, signed, partial, cli.account_id, after)
    cli.out.say(f"{written:,} events of {signed.size:,} entries written to {path}.", events=written, size=signed.size, file=str(path))


@store_command(ledger, "deposits", help="Where checkpoints are deposited outside, and how it goes; with -o write them and what came back.")
@click.option("-o", "--output", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write SIZE.checkpoint and SIZE.tsr.")
@click.option("--size", type=click.IntRange(1), metavar="N", help="With -o: the checkpoint of N entries.  [default: the last one of each place]")
def deposits(cli: Cli, *, folder: Path | None, size: int | None) -> None:
    from domain.errors import NotFound
    from infrastructure.ledger.deposits.files import deposited_files
    from infrastructure.ledger.deposits.state import places
    from infrastructure.ledger.sealing import name_of
    from web.cli.files import write_of_log

    if folder is None and size is not None:
        raise click.UsageError("--size goes with -o.")
    with _reading(cli) as connection:
        found = places(cli.app.settings, connection)
        if folder is None:
            cli.out.rows(found, _PLACES, "No place is set: see GRANTBOOK_LEDGER_DEPOSIT_… in docs/settings.md.")
            return
        files = deposited_files(cli.app.settings, connection, {size} if size else {place.size for place in found if place.size})
        if not files:
            raise NotFound("No such checkpoint was deposited: `grantbook ledger deposits` says what was.")
        write_of_log(folder, name_of(cli.app.settings, connection), files)
    cli.out.say(f"Wrote {', '.join(files)} to {folder}.", files=list(files))


_PLACES = {
    "kind": "Kind", "name": "Place", "size": "Entries", "at": "Deposited", "told": "What came back", "failing_since": "Failing since", "why": "Why",
    "another_log": "Beside it",
}  # fmt: skip


@store_command(ledger, "adopt", help="Take over a restored copy of the database: its order, its sessions, and what is signed from here on.")
@click.option("--keep-sessions", is_flag=True, help="End no session: refused unless the checkpoint kept outside shows that nothing is lost.")
@click.option("--set-back", is_flag=True, help="Adopt though nothing here shows that the database was set back.")
@yes_option
def adopt(cli: Cli, *, keep_sessions: bool, set_back: bool, yes: bool) -> None:
    from infrastructure.ledger.adoption import adopt as take_over
    from infrastructure.ledger.adoption import examine

    with _reading(cli) as connection:
        found = examine(cli.app, connection)
        if not (found.to_adopt or set_back):
            cli.out.say(words.NOTHING, adopted=None)
            return
        for sentence in words.found(found):
            cli.out.note(sentence)
        if not yes and not click.confirm(words.question(found, keep_sessions=keep_sessions), err=True):
            raise click.Abort
        done = take_over(cli.app, connection, cli.origin, end_all=not keep_sessions)
    cli.out.say(words.done(done), adopted=done.facts, sessions=done.sessions, erased=done.erased)


@ledger.command("verifier", help="Write the verifier for auditors: one file that needs only Python and the package cryptography.")
@click.option("-o", "--output", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE")
def write_verifier(path: Path) -> None:
    from infrastructure.ledger import verifier

    path.write_bytes(Path(verifier.__file__).read_bytes())
    print_line(f"Wrote the verifier to {path}: python {path} bundle FILE --vkey VKEY checks an export.")


@ledger.command("verify", help="Check an exported bundle offline (FILE, with --vkey), or without FILE the live store; exit 1 if anything differs.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--vkey", metavar="VKEY", help="The log's public key or a file that holds it, for FILE.")
@click.option("--since", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="CHECKPOINT", help="A checkpoint that you kept.")
@data_dir_option
@_account_option
@json_option
def verify(*, file: Path | None, vkey: str | None, since: Path | None, data_dir: Path | None, account: str | None, as_json: bool) -> None:
    from web.cli.output import Output
    from web.cli.store import open_cli

    if file is None:
        if vkey or since:
            raise click.UsageError("--vkey and --since go with FILE.")
        with open_cli(Output(as_json), data_dir, account) as cli:
            _verify_store(cli)
        return
    if vkey is None:
        raise click.UsageError("--vkey is needed: `grantbook ledger checkpoint --key` prints it where the log is kept.")
    _verify_bundle(Output(as_json), file, vkey, since)


def _verify_bundle(out: Any, file: Path, vkey: str, since: Path | None) -> None:
    from domain.errors import Refused
    from infrastructure.ledger.verifier import NotProven, check_bundle, vkey_given

    try:
        found = check_bundle(file, vkey_given(vkey), since.read_text(encoding="utf-8") if since else None)
    except (NotProven, OSError, KeyError, ValueError) as error:
        raise Refused(f"Not proven: {error}") from error
    complete = "" if found.complete_to is None else f" Nothing of the account is left out up to event {found.complete_to:,}."
    told = f"{found.entries:,} events are as the log {found.checkpoint.origin} of {found.checkpoint.size:,} entries holds them.{complete}"
    breaks = [str(each) for each in found.breaks]
    facts = {"events": found.entries, "size": found.checkpoint.size, "origin": found.checkpoint.origin, "complete_to": found.complete_to}
    out.say("\n".join([told, *breaks]), **facts, breaks=breaks)


def _verify_store(cli: Cli) -> None:
    from infrastructure.ledger.live import findings
    from infrastructure.ledger.sealing import refusal, signer_of
    from infrastructure.store.verify import Progress, verify_ledger

    done = Progress()

    def tell(progress: Progress) -> None:
        done.position, done.events = progress.position, progress.events
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{progress.events:,} events")

    with _reading(cli) as connection:
        found = [*verify_ledger(connection, tell), *findings(connection, signer_of(cli.app.settings, connection))]
        unsigned = refusal(connection)
    if sys.stderr.isatty():
        sys.stderr.write("\r")
    for finding in found:
        cli.out.note(finding.message)
    verdict = "Every event is what was recorded and signed." if not found else f"{len(found):,} findings."
    cli.out.say(f"{done.events:,} events up to position {done.position:,}. {verdict}", events=done.events, position=done.position, findings=found)
    if unsigned is not None:
        cli.out.warn(f"What came since the newest checkpoint is not signed: {unsigned}")
    if found:
        raise click.exceptions.Exit(REFUSED)


def _reading(cli: Cli) -> Any:
    from infrastructure.database import cli_dsn, connect

    return connect(cli_dsn(cli.app.dsn))


def _newest(cli: Cli, connection: Connection, *, witnessed: bool = False, holding: int = 0) -> Signed:
    """The newest checkpoint; `witnessed`: that a witness has cosigned; `holding`: such a one if it holds this event."""
    from domain.errors import NotFound
    from infrastructure.ledger import sealing

    if witnessed:
        signed = sealing.witnessed(cli.app.settings, connection)
        if signed is None:
            raise NotFound(
                "No witness has cosigned a checkpoint yet: `GRANTBOOK_LEDGER_DEPOSIT_WITNESS` sets one, `grantbook ledger deposits` says how it goes."
            )
        return signed
    signed = sealing.newest_for(cli.app.settings, connection, holding) if holding else sealing.newest(cli.app.settings, connection)
    if signed is None:
        raise NotFound("Nothing has been signed yet: a running server (or `grantbook projector`) signs within two seconds of the first event.")
    return signed
