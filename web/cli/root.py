"""The command line's groups in one place."""

from __future__ import annotations

import click

from web.cli.init import init
from web.cli.serve import migrate, projector, serve
from web.demo.command import demo


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="grantbook", message="%(prog)s %(version)s")
def cli() -> None:
    """Grantbook: an authorization server whose every decision is an event."""


for command in (demo, serve, projector, init, migrate):
    cli.add_command(command)
