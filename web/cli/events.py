"""`grantbook events`: the raw streams, decoded."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from web.cli.commands import store_command
from web.cli.output import print_line, shown, to_json

if TYPE_CHECKING:
    from web.cli.store import Cli

_HIDDEN = frozenset({"originator_id", "originator_version", "originator_topic", "timestamp", "salt"})
_FOLLOW_EVERY_S = 0.25
_PAGE = 500
_STREAMS = "give a stream's id, a client id, a member's e-mail address or `account`."


@click.group("events", help="Events as they were recorded.")
def events() -> None:
    pass


@store_command(events, "show", help="One stream: its id, a client id, a member's e-mail address, or `account`.")
@click.argument("stream")
def show(cli: Cli, stream: str) -> None:
    from domain.errors import NotFound
    from infrastructure.database import cli_dsn, connect
    from infrastructure.store.reader import stream_events

    stream_id = _stream_id(cli, stream)
    with connect(cli_dsn(cli.app.dsn)) as connection:
        recorded = stream_events(connection, cli.app.store.mapper, stream_id)
        found = [_described(cli, event, None) for event in recorded if event.account_id == cli.account_id]
    if not found:
        raise NotFound(f"There is no stream {stream!r} in this account: {_STREAMS}")
    if cli.out.as_json:
        print_line(to_json(found))
    else:
        for event in found:
            print_line(_line(event))


@store_command(events, "tail", help="The newest events in the order of the record; -f goes on with those to come.")
@click.option("-f", "--follow", is_flag=True)
@click.option("-n", "--number", type=click.IntRange(0, 10_000), default=20, show_default=True)
def tail(cli: Cli, follow: bool, number: int) -> None:
    from infrastructure.catch_up import catch_up
    from infrastructure.database import cli_dsn, connect
    from infrastructure.store.reader import before_newest, read_events

    catch_up(cli.app)
    with connect(cli_dsn(cli.app.dsn)) as connection:
        last = before_newest(connection, cli.account_id, number)
        while True:
            found = read_events(connection, cli.app.store.mapper, last, _PAGE)
            for positioned in found:
                last = positioned.position
                if positioned.account_id == cli.account_id:
                    described = _described(cli, positioned.event, positioned.position)
                    print_line(to_json(described) if cli.out.as_json else _line(described))
            if len(found) < _PAGE and not follow:
                return
            if not found:
                time.sleep(_FOLLOW_EVERY_S)


def _stream_id(cli: Cli, ref: str) -> UUID:
    from application.lookups import as_uuid
    from domain.errors import NotFound
    from domain.ids import client_stream_from
    from web.cli.named import member_named

    if ref == "account":
        return UUID(cli.account_id)
    found = as_uuid(ref) or client_stream_from(ref, cli.account_id)
    if found is None and "@" in ref:
        found = member_named(cli, ref)
    if found is None:
        raise NotFound(f"{ref!r} names no stream: {_STREAMS}")
    return found


def _described(cli: Cli, event: Any, position: int | None) -> dict[str, Any]:
    """The event's own words; personal values are opened, or read `(erased)`."""
    from domain.base import Sealed

    event_id = f"{event.originator_id}:{event.originator_version}"

    def opened(value: Any) -> Any:
        if isinstance(value, Sealed):
            return cli.app.keyring.open(value, event_id) or "(erased)"
        return value

    place = {} if position is None else {"position": position}
    facts = {name: opened(value) for name, value in vars(event).items() if name not in _HIDDEN}
    head = {"stream": str(event.originator_id), "version": event.originator_version, "topic": event.TOPIC, "at": event.timestamp}
    # A sum and an export tell of another position than their own.
    told = {"up_to_position" if name == "position" else name: value for name, value in facts.items()}
    return {**place, **head, **told}


def _line(event: dict[str, Any]) -> str:
    facts = {k: v for k, v in event.items() if k not in ("position", "stream", "version", "topic", "at", "account_id") and v is not None}
    at: datetime = event["at"]
    place = f"{event['position']:>7}  " if "position" in event else ""
    return f"{place}{at:%Y-%m-%d %H:%M:%S}Z  {event['stream']}:{event['version']}  {event['topic']}  {shown(to_json(facts))}"
