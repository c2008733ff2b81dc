"""`grantbook serve`, `projector` and `migrate`: the long-running processes and the schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from web.cli.commands import REFUSED, data_dir_option, json_option
from web.cli.output import Output, print_line
from web.cli.store import database, overrides, prepare_schema, refuse_missing_store

if TYPE_CHECKING:
    from application.services import Services
    from infrastructure.settings import Settings

_NO_GATEWAY = "No MCP gateway runs, so nothing answers at the MCP endpoint: start with GRANTBOOK_GATEWAY_PORT=8001, or another port, to have one."
_SETTING_OF = {"host": "GRANTBOOK_HOST", "port": "GRANTBOOK_PORT", "workers": "GRANTBOOK_WORKERS", "threads": "GRANTBOOK_THREADS"}


@click.command("serve", help="Run the web workers, the gateway (GRANTBOOK_GATEWAY_PORT) and the projector.")
@click.option("--host", metavar="H", help="Where to listen.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="[default: the base URL's, or 8000]")
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="[default: 2]")
@click.option("--threads", type=click.IntRange(1, 256), metavar="N", help="Threads of each worker.  [default: 8]")
@click.option("--no-projector", is_flag=True, help="Another process runs `grantbook projector`.")
@click.option("--migrate", is_flag=True, help="Bring the schema up to date first.")
@data_dir_option
def serve(data_dir: Path | None, no_projector: bool, migrate: bool, **given: str | int | None) -> None:
    from web.cli.stack import Stack

    wanted = {**overrides(data_dir), **{_SETTING_OF[name]: str(value) for name, value in given.items() if value is not None}}
    settings = _settings(wanted)
    stack = Stack(settings, wanted, projector=not no_projector)
    with stack.held(migrate=migrate):
        _refuse_several_under_one_host(settings)
        notes = _notes(settings)

        def ready() -> None:
            print_line(f"Grantbook serves {settings.base_url}{_listening(settings)}. End it with Ctrl-C.")
            for note in notes:
                print_line(note)

        if not stack.run(ready):
            raise click.ClickException("The server doesn't answer; the log above says why.")


@click.command("projector", help="Run projections and ledger only; several may run, one leads.")
@data_dir_option
def projector(data_dir: Path | None) -> None:
    from infrastructure.bootstrap import web_dsn
    from infrastructure.metrics_server import metrics_served
    from infrastructure.projector import run_projector
    from infrastructure.run_folder import RunFolder

    settings = _settings(overrides(data_dir))
    with database(settings):
        prepare_schema(settings, migrate=False, serving=True)
        with RunFolder.made() as folder, metrics_served(settings, folder, lambda: web_dsn(settings)):
            run_projector(settings, folder)


@click.command("migrate", help="Bring the database's schema up to date.")
@click.option("--status", "only_status", is_flag=True, help="Show what is applied and what is pending; exit 1 if anything is pending.")
@data_dir_option
@json_option
def migrate(only_status: bool, data_dir: Path | None, as_json: bool) -> None:
    from infrastructure import migrations
    from infrastructure.bootstrap import owner_dsn, web_dsn
    from infrastructure.settings import child_environment

    if only_status:
        refuse_missing_store(child_environment(overrides(data_dir)))
    settings, out = _settings(overrides(data_dir)), Output(as_json)
    with database(settings):
        if not only_status:
            prepare_schema(settings, migrate=True)
        states = migrations.status(owner_dsn(settings) or web_dsn(settings))
    out.rows(states, {"number": "Number", "name": "Name", "state": "State", "applied_at": "Applied at"}, "There are no migrations.")
    if only_status and any(state.state != "applied" for state in states):
        raise click.exceptions.Exit(REFUSED)


def _settings(wanted: dict[str, str]) -> Settings:
    from infrastructure.logs import configure_logs
    from infrastructure.settings import child_environment, load_settings

    settings = load_settings(child_environment(wanted))
    configure_logs(settings.log)
    return settings


def _listening(settings: Settings) -> str:
    """Where a proxy has to look for us, unless the public URL itself leads here."""
    from domain.client import LOOPBACK_HOSTS

    public = urlsplit(settings.base_url)
    leads_here = public.hostname == settings.host or {public.hostname, settings.host} <= LOOPBACK_HOSTS
    if public.scheme == "http" and (public.port or 80) == settings.port and leads_here:
        return ""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    gateway = f", the gateway on {host}:{settings.gateway_port}" if settings.gateway_port else ""
    return f" and listens on {host}:{settings.port}{gateway}"


def _notes(settings: Settings) -> list[str]:
    """What the person who starts the server should know: the one-time link of an empty store, what clients will miss."""
    from application.open_account import make_setup_link
    from infrastructure.bootstrap import bootstrap

    app = bootstrap(settings)
    try:
        accounts = app.store.tables().accounts()
        if settings.by_host:
            notes = [note for account_id, slug, _ in accounts for note in _missing(app.directory.services_of(account_id), account_id, slug)]
            return notes if accounts else [f"No account yet: open one with `grantbook init --account SLUG`, at {settings.base_url}."]
        gateway = [_NO_GATEWAY] if settings.embedded and settings.gateway_port is None else []
        if not accounts:
            link = f"{settings.base_url}/setup?token={make_setup_link(app.services)}"
            return [f"No account yet. Open this link once, within a day, to set it up: {link}", *gateway]
        return [*gateway, *_missing(app.services, accounts[0][0])]
    finally:
        app.close()


def _missing(services: Services, account_id: str, slug: str = "") -> list[str]:
    """The resource that clients mean who name none, if the account lacks it: its URL has changed, or it was removed."""
    from application.lookups import account_of

    if services.mcp_url in account_of(services, account_id).resources:
        return []
    add = f"grantbook resource add {f'--account {slug} ' if slug else ''}--identifier {services.mcp_url} --scope …"
    return [f"Clients that name no resource mean {services.mcp_url}, which is not registered: run `{add}`."]


def _refuse_several_under_one_host(settings: Settings) -> None:
    """Which of them a request means could not be told."""
    from infrastructure.bootstrap import bootstrap
    from infrastructure.settings import SettingsError

    app = bootstrap(settings)
    try:
        slugs = [slug for _, slug, _ in app.store.tables().accounts()]
    finally:
        app.close()
    if len(slugs) > 1 and not settings.by_host:
        raise SettingsError(
            [f"GRANTBOOK_BASE_URL must hold {{account}} in its host, such as https://{{account}}.example.com: the store has {len(slugs)} accounts."]
        )
