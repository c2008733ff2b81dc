"""`grantbook ask`: the questions that auditors ask, each line of an answer citing the events that it stands on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from web.cli.commands import APP, PERSON, PROJECT, SCOPE, Named, store_command
from web.cli.output import shown
from web.cli.times import PointInTime

if TYPE_CHECKING:
    from infrastructure.past.answers import Answer, Line
    from infrastructure.past.questions import Question
    from web.cli.store import Cli

_NUMBER = click.IntRange(1, 2**53 - 1)
_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "client": ("--client", APP),
    "user": ("--user", PERSON),
    "grant": ("--session", {"type": Named(), "metavar": "ID", "help": "A session, by its id."}),
    "project": ("--project", PROJECT),
    "scope": ("--scope", SCOPE),
    "since": ("--since", {"type": PointInTime(), "metavar": "TIME"}),
    "until": ("--until", {"type": PointInTime(), "metavar": "TIME"}),
    "at": ("--at", {"type": PointInTime(), "metavar": "TIME", "help": "As of this time, such as 2026-11-24T15:00Z or 7d.  [default: now]"}),
    "sample": ("--sample", {"type": _NUMBER, "metavar": "N", "help": "Draw N of them."}),
    "seed": ("--seed", {"metavar": "TEXT", "help": "What the sample is drawn by: the same seed draws the same."}),
    "event": ("--event", {"type": _NUMBER, "metavar": "N", "help": "An event, by its position."}),
}


class _Questions(click.Group):
    """Makes its commands from the questions there are, once one is asked for: a command that asks nothing doesn't load them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's own signature
        from infrastructure.past.questions import QUESTIONS

        return list(QUESTIONS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's own signature
        from infrastructure.past.questions import QUESTIONS

        question = QUESTIONS.get(cmd_name)
        return None if question is None else _command(question)


ask = _Questions("ask", help="What auditors ask about the past, each line of an answer citing its events.")


def _command(question: Question) -> click.Command:
    def run(cli: Cli, *, proof: Path | None, **given: Any) -> None:
        _answer(cli, question, proof, given)

    function: Any = click.option(
        "--proof", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write answer, cited events and their proofs to a zip."
    )(run)
    for name in reversed(question.parameters):
        flag, attributes = _OPTIONS[name]
        function = click.option(flag, name, **attributes)(function)
    return store_command(click.Group(), question.name, help=f"{question.asks} {question.note}".rstrip())(function)


def _answer(cli: Cli, question: Question, proof: Path | None, given: dict[str, Any]) -> None:
    from domain.errors import InvalidInput
    from infrastructure.past.answers import Past
    from web.asking import asking_of

    missing = question.missing(given)
    if missing:
        either = " or " if missing == question.needed else " and "
        raise click.UsageError(f"Give {either.join(_OPTIONS[name][0] for name in missing)}.")
    given |= _named(cli, given)
    with cli.views() as connection:
        past = Past(connection, cli.app.store.mapper, cli.app.keyring, cli.account_id)
        try:
            asking = asking_of(cli.services, past, question, given)
        except InvalidInput as error:
            raise click.UsageError(error.message) from error
        answer = question.answer(past, asking)
        _print(cli, answer, question.note)
        if proof is not None:
            _prove(cli, connection, answer, proof)


def _named(cli: Cli, given: dict[str, Any]) -> dict[str, Any]:
    """The ids of whom and what is asked about."""
    from web.cli.named import client_named, grant_named, member_named

    client, user, grant = given.get("client"), given.get("user"), given.get("grant")
    found = {
        "client": client and client_named(cli, client, reads=True).client_id,
        "user": user and str(member_named(cli, user, reads=True)),
        "grant": grant and str(grant_named(cli, grant).id),
    }
    return {name: value for name, value in found.items() if value}


def _print(cli: Cli, answer: Answer, note: str) -> None:
    if cli.out.as_json:
        cli.out.say("", question=answer.question, position=answer.position, at=answer.at, says=answer.says, lines=answer.lines)
        return
    cli.out.note(f"As of {answer.at:%Y-%m-%d %H:%M:%S} UTC, event {answer.position:,}: {answer.says}")
    if answer.lines:
        rows = [{**_short(line.facts), "events": _cited(line)} for line in answer.lines]
        names = {name: name.replace("_", " ") for row in rows for name in row if name != "events"}
        cli.out.rows([{**dict.fromkeys(names), **row} for row in rows], {**names, "events": "because of events"}, "")
        if note:
            cli.out.note(note)


def _short(facts: dict[str, Any]) -> dict[str, Any]:
    """For a table: no id beside a name, and of what is told at length (with --json) only its event."""
    named = {"member_id": "person", "client_id": "app"}
    kept = {name: value for name, value in facts.items() if facts.get(named.get(name, "")) is None}
    return {name: _event_of(value) for name, value in kept.items()}


def _event_of(value: Any) -> Any:
    told = isinstance(value, list) and value and isinstance(value[0], dict)
    return [f"event {one['event']:,}" for one in value] if told else value


def _cited(line: Line) -> str:
    return ", ".join(f"{label} {'+'.join(f'{p:,}' for p in positions)}" for label, positions in line.because.items() if positions) or shown(None)


def _prove(cli: Cli, connection: Any, answer: Answer, path: Path) -> None:
    from domain.errors import Refused
    from infrastructure.ledger.evidence import write_evidence
    from infrastructure.ledger.sealing import newest
    from infrastructure.past.answers import counted
    from web.asking import as_json
    from web.cli.files import in_one_piece

    signed = newest(cli.app.settings, connection)
    if signed is None:
        raise Refused("Nothing is signed yet, so nothing can be proved: a running server's projector signs.")
    with in_one_piece(path) as partial:
        waiting = write_evidence(connection, signed, cli.account_id, answer.cited, {"answer.json": as_json(answer)}, partial)
    if waiting:
        cli.out.warn(f"Not in a checkpoint yet, so without a proof: events {', '.join(map(str, waiting))}. Ask again in two seconds.")
    proved = counted(len(answer.cited) - len(waiting), "event")
    cli.out.note(f"Wrote {path}: the answer and {proved} with proof, for the checkpoint of {signed.size:,} entries.")
