"""`grantbook init`: an account and its admin."""

from __future__ import annotations

from pathlib import Path

import click

from web.cli.commands import data_dir_option, given_password, json_option, password_option
from web.cli.output import Output
from web.cli.store import open_cli


@click.command("init", help="Open an account with its admin: the first, or a further one where each has a host of its own.")
@click.option("--account", "slug", required=True, metavar="SLUG", help="Its short name, such as acme.")
@click.option("--name", required=True, metavar="N", help="Its name, as people read it.")
@click.option("--admin-email", required=True, metavar="E", help="The first Account Admin signs in with it.")
@click.option("--admin-name", metavar="N", help="The admin's name.  [default: the e-mail address]")
@click.option("--plan", default="enterprise", show_default=True)
@password_option
@data_dir_option
@json_option
def init(
    slug: str, name: str, admin_email: str, admin_name: str | None, plan: str, password_stdin: bool, data_dir: Path | None, as_json: bool
) -> None:
    from application.open_account import open_account

    with open_cli(Output(as_json), data_dir, slug, create=True) as cli:
        password, made = given_password(password_stdin)
        directory = cli.app.directory
        services = directory.services_named(slug.strip().lower())
        opened = open_account(
            services,
            slug=slug,
            name=name,
            admin_email=admin_email,
            admin_name=admin_name or admin_email,
            password=password,
            plan=plan,
            origin=cli.origin,
            several=directory.by_host,
        )
        issuer = services.issuer
        secret = {"password": password} if made else {}
        cli.out.say(
            f"The account {opened.account.name} ({opened.account.slug}) is open.",
            account_id=str(opened.account.id),
            account=opened.account.slug,
            admin_id=str(opened.admin.id),
            issuer=issuer,
            event=cli.position(opened.recorded),
            **secret,
        )
        if made:
            cli.out.note(f"Password of {admin_email} (shown once): {password}")
        cli.out.note(f"Next: run `grantbook serve`, open {issuer}/sign-in and sign in as {admin_email}.")
        cli.out.note(f"Clients find everything at {issuer}/.well-known/oauth-authorization-server.")
