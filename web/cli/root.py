"""The command line's commands and groups in one place."""

from __future__ import annotations

import click

import web.cli.erasing  # noqa: F401  # its commands join `member`
from web.cli.access import access
from web.cli.account import account
from web.cli.ask import ask
from web.cli.audit import audit
from web.cli.client import client
from web.cli.events import events
from web.cli.hold import hold
from web.cli.init import init
from web.cli.keys import keys
from web.cli.ledger import ledger
from web.cli.member import member
from web.cli.policy import policy
from web.cli.project import project
from web.cli.projections import projections
from web.cli.replay import add_to
from web.cli.resource import resource
from web.cli.serve import migrate, projector, serve
from web.cli.session import session
from web.demo.command import demo


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="grantbook", message="%(prog)s %(version)s")
def cli() -> None:
    """Grantbook: an authorization server whose every decision is an event."""


for command in (demo, serve, projector, init, migrate):
    cli.add_command(command)
for group in (access, ask, account, member, hold, project, client, resource, policy, session, keys, audit, ledger, projections, events):
    cli.add_command(group)
add_to(cli)
