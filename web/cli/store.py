"""Opens the store for one command: settings, the embedded PostgreSQL where it is used, schema, account."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from application.ports import Recorded
    from application.services import Origin, Services
    from infrastructure.bootstrap import App
    from infrastructure.settings import Settings
    from web.cli.output import Output

EVENT_PATIENCE_S = 0.5


class NoStore(Exception):
    """There is no store where the command looked; the message says what to do."""


@dataclass
class Cli:
    """What a command is handed: the composed process, its account, and where it prints."""

    app: App
    out: Output
    wanted_account: str | None = None

    @cached_property
    def services(self) -> Services:
        """What use cases are handed, under the names of the command's account where each has its own."""
        directory = self.app.directory
        return directory.services_of(self.account_id) if directory.by_host else self.app.services

    @property
    def origin(self) -> Origin:
        from application.services import Origin

        return Origin("cli")

    @cached_property
    def account_id(self) -> str:
        """The account that `--account` names, or the store's only one."""
        from domain.errors import NotFound, Refused

        accounts = self.app.store.tables().accounts()
        if not accounts:
            raise Refused("There is no account yet: run `grantbook init --account SLUG --name NAME --admin-email EMAIL`.")
        if self.wanted_account is None and len(accounts) > 1:
            raise click.UsageError(f"Name one of the accounts with --account: {', '.join(slug for _, slug, _ in accounts)}.")
        for account_id, slug, _ in accounts:
            if self.wanted_account in (None, slug, account_id):
                return account_id
        raise NotFound(f"There is no account {self.wanted_account!r}. Accounts: {', '.join(slug for _, slug, _ in accounts)}.")

    @contextlib.contextmanager
    def views(self) -> Iterator[Any]:
        """A connection to the views, once they hold everything that was recorded before this command."""
        from infrastructure.catch_up import catch_up

        if not catch_up(self.app):
            self.out.warn("The views lag behind the events; `grantbook projections status` says why.")
        with self.app.views() as connection:
            yield connection

    def position(self, recorded: Recorded | None) -> int | None:
        """Wake the projector; the event's position, if a projector runs and is quick."""
        return None if recorded is None else self.app.store.position_of(recorded, EVENT_PATIENCE_S)

    def changed(self, recorded: Recorded | None, sentence: str, unchanged: str = "Nothing was to change.", **facts: Any) -> None:
        """Tell what was recorded, or that nothing was to change."""
        if recorded is None:
            self.out.say(unchanged, changed=False, event=None, **facts)
            return
        position = self.position(recorded)
        told = sentence if position is None else f"{sentence} (event {position:,})"
        self.out.say(told, changed=True, event=position, **facts)


def overrides(data_dir: Path | None) -> dict[str, str]:
    """The settings that the command line's options stand for."""
    return {} if data_dir is None else {"GRANTBOOK_DATA_DIR": str(Path.cwd() / data_dir)}


@contextlib.contextmanager
def open_cli(out: Output, data_dir: Path | None, account: str | None, *, create: bool = False) -> Iterator[Cli]:
    """The store of this command, as a running server uses it. `create` may make a new embedded one."""
    from infrastructure.bootstrap import bootstrap
    from infrastructure.logs import configure_logs
    from infrastructure.settings import child_environment, load_settings

    environ = child_environment(overrides(data_dir))
    if not create:
        refuse_missing_store(environ)
    settings = load_settings(environ)
    configure_logs(settings.log, level=logging.WARNING)
    with database(settings):
        prepare_schema(settings, migrate=False)
        app = bootstrap(settings)
        try:
            yield Cli(app, out, account)
        finally:
            app.close()


def refuse_missing_store(environ: dict[str, str]) -> None:
    """A command in the wrong folder must not make a store there."""
    from infrastructure.settings import embedded_data_dir

    folder = embedded_data_dir(environ)
    if folder is not None and not (folder / "postgres").exists() and not (folder / "postgres.path").exists():
        raise NoStore(f"There is no store in {folder}: run `grantbook init` or `grantbook demo`, or name its folder with --data-dir.")


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[None]:
    """The database for as long as it is needed: the embedded server started or found, an external one left alone."""
    from infrastructure.embedded import running

    if not settings.embedded:
        yield
        return
    with running(settings.data_dir):
        yield


def prepare_schema(settings: Settings, *, migrate: bool, serving: bool = False) -> None:
    """Check the schema. It is brought up to date if that was asked for, or if an embedded database is brand new.

    `serving`: whoever was erased is erased again first, should a restored backup have brought them back.
    """
    from infrastructure import migrations
    from infrastructure.bootstrap import owner_dsn, web_dsn
    from infrastructure.database import role_of
    from infrastructure.erasure import erase_again
    from infrastructure.projector import prepare_views

    web = web_dsn(settings)
    if not migrate and settings.embedded:
        migrate = all(state.state == "pending" for state in migrations.status(web))
    if migrate:
        owner = owner_dsn(settings)
        if owner is None:
            raise migrations.MigrationError("Migrations run as the tables' owner: set GRANTBOOK_OWNER_DATABASE_URL.")
        migrations.migrate(owner, role_of(web))
    else:
        migrations.check(web)
    prepare_views(web)
    if serving:
        erase_again(web)
