"""Writes docs/command-line.md from the commands themselves; `make docs` runs it, a test compares."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from tests.architecture.source import ROOT
from web.cli.root import cli

OPENING = """\
# Command line

Written by `make docs` from the commands' own help. In a clone it is `.venv/bin/grantbook`: [how to call it](../README.md#the-command).
Every command takes `--help`; commands that print data take `--json`.
Exit codes: 0 done, 1 refused (one sentence on standard error says why), 2 wrong usage.
What only reads takes an app or a person by id, or by a name that one alone has; what decides takes the id (or a person's e-mail
address), and says it where a name was given.
"""
WIDTH = 110


def render() -> str:
    """The whole page."""
    sections = [f"## `{' '.join(('grantbook', *path))}`\n\n{_describe(command, path)}" for path, command in commands()]
    return "\n\n".join([OPENING.rstrip(), *sections]) + "\n"


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every visible command with the words that call it, groups before their commands."""
    yield from _below((), cli)


def _below(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if path and not command.hidden:
        yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name="grantbook")
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _below((*path, name), inner)


def _describe(command: click.Command, path: tuple[str, ...]) -> str:
    context = click.Context(command, info_name=" ".join(("grantbook", *path)), terminal_width=WIDTH, max_content_width=WIDTH)
    if isinstance(command, click.Group):
        return textwrap.dedent(command.help or "").strip()
    help_text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"```text\n{help_text}\n```"


if __name__ == "__main__":
    (ROOT / "docs" / "command-line.md").write_text(render(), encoding="utf-8")
