"""`grantbook keys`: the account's signing keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.cli.commands import REFUSED, store_command

if TYPE_CHECKING:
    from web.cli.store import Cli

_COLUMNS = {
    "kid": "Key",
    "use": "Use",
    "alg": "Algorithm",
    "status": "Status",
    "created_at": "Made",
    "activate_at": "Used from",
    "retire_at": "Retired",
}


@click.group("keys", help="Signing keys: list, rotate; root keys: rewrap, rotate-wrapping.")
def keys() -> None:
    pass


@store_command(keys, "list", help="List the signing keys; private parts are never shown.")
def list_keys(cli: Cli) -> None:
    found = cli.services.store.tables().signing_keys(cli.account_id)
    cli.out.rows([{name: key[name] for name in _COLUMNS} for key in found], _COLUMNS, "There are no signing keys.")


@store_command(keys, "rewrap", help="Wrap everything that is kept under older root keys under the newest; exit 1 if something opens with none.")
def rewrap_keys(cli: Cli) -> None:
    from infrastructure.rewrapping import rewrap

    done = rewrap(cli.app)
    told = f"Wrapped anew: {done.data_keys:,} data keys, {done.signing_keys:,} signing keys, {done.provider_secrets:,} client secrets of providers."
    if done.lost:
        told += f" {done.lost:,} open with none of the configured keys: add the key that they were wrapped with to its list, or give them up."
    cli.out.say(told, data_keys=done.data_keys, signing_keys=done.signing_keys, provider_secrets=done.provider_secrets, lost=done.lost)
    if done.lost:
        raise click.exceptions.Exit(REFUSED)


@store_command(
    keys, "rotate-wrapping", help="Wrap all keys of personal data under a new wrapping key and destroy the old: then erasures reach old copies."
)
def rotate_wrapping(cli: Cli) -> None:
    from infrastructure.database import cli_dsn, connect
    from infrastructure.erasure import wrapping_keys

    with connect(cli_dsn(cli.app.dsn)) as connection:
        done = wrapping_keys.rotate(connection, cli.app.settings, cli.services.clock())
    told = f"{done.rewrapped:,} data keys are wrapped by {done.newest} now."
    if done.destroyed:
        told += f" Destroyed: {', '.join(done.destroyed)}. Copies of the database made before open nothing of whoever was erased."
    if done.may_go:
        told += f" Wraps nothing any more: {', '.join(done.may_go)}. Take it out of GRANTBOOK_WRAPPING_KEYS, restart, and destroy every copy of it."
    if not done.destroyed and not done.may_go and not done.lost:
        told += " There is no older key to destroy: put a new one in front in GRANTBOOK_WRAPPING_KEYS (see docs/erasure.md), then run this again."
    if done.lost:
        told += f" {done.lost:,} open with none of the configured keys: keep the others until you have found the one that is missing."
    facts = {"rewrapped": done.rewrapped, "newest": done.newest, "destroyed": done.destroyed, "may_go": done.may_go, "lost": done.lost}
    cli.out.say(told, **facts)
    if done.lost:
        raise click.exceptions.Exit(REFUSED)


@store_command(keys, "retention", help="Show for how many months addresses, user agents and reasons can be read, or change it: MONTHS, or `ever`.")
@click.argument("months", required=False, metavar="[MONTHS|ever]")
def retention(cli: Cli, months: str | None) -> None:
    from application.erase_member import records_of
    from application.expire_keys import change_retention

    if months is None:
        kept = records_of(cli.services, cli.account_id).months
        cli.out.say("For ever." if kept is None else f"{kept} months.", months=kept)
        return
    if months != "ever" and not (months.isascii() and months.isdigit()):
        raise click.UsageError("Give a number of months, or `ever`.")
    wanted = None if months == "ever" else int(months)
    recorded = change_retention(cli.services, cli.account_id, wanted, origin=cli.origin)
    cli.changed(recorded, f"Kept readable for {'ever' if wanted is None else f'{wanted} months'}.", "That is so already.", months=wanted)


@store_command(keys, "wrapping", help="Show the wrapping keys: what each wraps and how old it is; exit 1 if the newest is older than 30 days.")
def wrapping(cli: Cli) -> None:
    from infrastructure.database import cli_dsn, connect
    from infrastructure.erasure import wrapping_keys

    now = cli.services.clock()
    with connect(cli_dsn(cli.app.dsn)) as connection:
        found = wrapping_keys.in_use(connection, cli.app.settings.wrapping_keys, now)
    columns = {"kek_id": "Wrapping key", "data_keys": "Data keys", "since": "In use since", "newest": "Wraps", "configured": "Configured"}
    cli.out.rows([{name: getattr(key, name) for name in columns} for key in found], columns, "There are no wrapping keys.")
    since = found[0].since
    if since is not None and now - since > wrapping_keys.WITHIN:
        cli.out.warn("The newest wrapping key is older than 30 days, so erasures since then are not complete: run `grantbook keys rotate-wrapping`.")
        raise click.exceptions.Exit(REFUSED)


@store_command(keys, "rotate", help="Publish a new key; it takes over after a minute, and the old one stays until its last token has died.")
@click.option("--use", type=click.Choice(["token", "assertion"]), default="token", show_default=True)
def rotate(cli: Cli, use: str) -> None:
    from application import rotate_keys

    made = rotate_keys.rotate(cli.services, cli.account_id, "assertion" if use == "assertion" else "token", origin=cli.origin)
    at = made.activate_at.strftime("%H:%M:%SZ")
    cli.changed(made.recorded, f"Key {made.kid} is published and signs from {at} on.", kid=made.kid, use=made.use, activate_at=made.activate_at)
