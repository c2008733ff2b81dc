"""The command line `grantbook`."""

from __future__ import annotations


def main() -> None:
    """The entry point."""
    from web.cli.commands import run
    from web.cli.root import cli

    run(cli)
